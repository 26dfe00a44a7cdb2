// POSIX systems other than Linux. Run on Linux by a build with -DTR_PLATFORM=posix; untested on those systems.
#include <signal.h>

#include <cerrno>
#include <functional>
#include <thread>

#include "platform/host.h"

namespace tr::platform {

std::int64_t thread_id() {
    return static_cast<std::int64_t>(std::hash<std::thread::id>()(std::this_thread::get_id()));
}

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
