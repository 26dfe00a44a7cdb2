#include "platform/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace tr::platform {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

// Not the private variants: the other side is another process.
long futex(const std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, const timespec* timeout) {
    return ::syscall(SYS_futex, &word, operation, value, timeout, nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

bool futex_available() {
    return true;
}

void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen, Deadline deadline) {
    if (deadline.is_never()) {
        futex(word, FUTEX_WAIT_BITSET, seen, nullptr);
        return;
    }
    // FUTEX_WAIT_BITSET takes an absolute time of the clock that std::chrono::steady_clock reads here.
    const auto since_boot = deadline.when().time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    timespec limit{};
    limit.tv_sec = static_cast<time_t>(seconds.count());
    limit.tv_nsec = static_cast<long>(std::chrono::nanoseconds(since_boot - seconds).count());
    futex(word, FUTEX_WAIT_BITSET, seen, &limit);
}

void futex_wake(const std::atomic<std::uint32_t>& word) {
    futex(word, FUTEX_WAKE, INT_MAX, nullptr);
}

}  // namespace tr::platform
