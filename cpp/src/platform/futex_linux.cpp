#include "platform/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>

namespace tr::platform {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

// Not the private variants: the other side is another process.
long futex(const std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, const timespec* timeout) {
    return ::syscall(SYS_futex, &word, operation, value, timeout, nullptr, FUTEX_BITSET_MATCH_ANY);
}

/// Of the clock that std::chrono::steady_clock reads here, as FUTEX_WAIT_BITSET takes it.
timespec absolute(Deadline deadline) {
    const auto since_boot = deadline.when().time_since_epoch();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
    timespec limit{};
    limit.tv_sec = static_cast<time_t>(seconds.count());
    limit.tv_nsec = static_cast<long>(std::chrono::nanoseconds(since_boot - seconds).count());
    return limit;
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
    const timespec limit = absolute(deadline);
    futex(word, FUTEX_WAIT_BITSET, seen, &limit);
}

void futex_wake(const std::atomic<std::uint32_t>& word) {
    futex(word, FUTEX_WAKE, INT_MAX, nullptr);
}

bool futex_wait_any(const FutexWords& words, Deadline deadline) {
#if defined(SYS_futex_waitv) && defined(FUTEX_WAITV_MAX)
    if (words.empty() || words.size() > FUTEX_WAITV_MAX) return false;
    std::vector<futex_waitv> waits;
    for (const auto& [word, seen] : words) {
        futex_waitv wait{};
        wait.uaddr = reinterpret_cast<std::uintptr_t>(word);
        wait.val = seen;
        wait.flags = FUTEX_32;
        waits.push_back(wait);
    }
    const timespec limit = deadline.is_never() ? timespec{} : absolute(deadline);
    const long result = ::syscall(SYS_futex_waitv, waits.data(), waits.size(), 0,
                                  deadline.is_never() ? nullptr : &limit, CLOCK_MONOTONIC);
    return result >= 0 || errno != ENOSYS;
#else
    static_cast<void>(words);
    static_cast<void>(deadline);
    return false;
#endif
}

}  // namespace tr::platform
