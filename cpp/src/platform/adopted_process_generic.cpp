// Systems other than Linux. Run on Linux by a build with -DTR_PLATFORM=posix; untested on those systems.
#include "platform/process.h"

namespace tr::platform {

std::unique_ptr<Process> Process::adopt(std::int64_t, std::function<ExitStatus()>, std::function<void()>) {
    return nullptr;
}

}  // namespace tr::platform
