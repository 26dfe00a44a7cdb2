// POSIX systems other than Linux. Run on Linux by a build with -DTR_PLATFORM=posix; untested on those systems.
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
