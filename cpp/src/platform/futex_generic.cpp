// Systems other than Linux. Run on Linux by a build with -DTR_PLATFORM=posix; untested on those systems.
#include "platform/futex.h"

namespace tr::platform {

bool futex_available() {
    return false;
}
void futex_wait(const std::atomic<std::uint32_t>&, std::uint32_t, Deadline) {}
void futex_wake(const std::atomic<std::uint32_t>&) {}
bool futex_wait_any(const FutexWords&, Deadline) {
    return false;
}

}  // namespace tr::platform
