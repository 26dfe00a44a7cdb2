// POSIX systems other than Linux. Run on Linux by a build with -DTR_PLATFORM=posix; untested on those systems.
#include <signal.h>

#include <cerrno>

#include "platform/host.h"

namespace tr::platform {

std::string process_start_time(std::int64_t) {
    return {};
}

bool process_lives(std::int64_t pid) {
    return pid > 0 && (::kill(static_cast<pid_t>(pid), 0) == 0 || errno == EPERM);
}

bool process_is_stopped(std::int64_t) {
    return false;
}

std::string shared_memory_directory() {
    return {};
}

std::string file_system_name(const std::string&) {
    return "unknown";
}

}  // namespace tr::platform
