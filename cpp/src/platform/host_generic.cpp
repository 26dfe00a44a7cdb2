// POSIX systems other than Linux. Compiled by CI on Linux with -DTR_PLATFORM=posix; not tested on the systems
// themselves.
#include "platform/host.h"

namespace tr::platform {

std::string process_start_time(std::int64_t) {
    return {};
}

std::string shared_memory_directory() {
    return {};
}

std::string file_system_name(const std::string&) {
    return "unknown";
}

}  // namespace tr::platform
