// Systems other than Linux. Run on Linux by a build with -DTR_PLATFORM=posix; untested on those systems.
#include <system_error>

#include "platform/process.h"

namespace tr::platform {

bool Process::can_adopt() {
    return false;
}

std::unique_ptr<Process> Process::adopt(std::int64_t, std::function<ExitStatus()>, std::function<void()>) {
    throw std::system_error(std::make_error_code(std::errc::function_not_supported), "watching a forked process");
}

std::unique_ptr<Process> Process::observe(std::int64_t, std::function<void()>) {
    throw std::system_error(std::make_error_code(std::errc::function_not_supported),
                            "watching another program's process");
}

}  // namespace tr::platform
