#include "channel/busy_wait.h"

#include <algorithm>

namespace tr::channel {
namespace {

using std::memory_order_relaxed;

/// Twice what waking takes: for a peer that has to be woken first, and then answers at once.
constexpr std::int64_t kAutomaticUs = 100;
constexpr std::int64_t kMostUs = 10'000;
constexpr int kMostCredit = 4;
constexpr int kCostOfFailure = 2;

/// A yield that took longer has given the core to a third party, for a slice of its time: 1 to 4 ms.
constexpr std::chrono::microseconds kLongYield(700);
/// What it costs beside what a look that succeeds saves; two such yields sooner than they are earned are no accident.
constexpr int kCostOfLongYield = 400;
constexpr int kCrowd = 2 * kCostOfLongYield;
constexpr BusyWait::Clock::duration kShortestPause = std::chrono::milliseconds(100);
constexpr BusyWait::Clock::duration kLongestPause = std::chrono::seconds(2);
constexpr int kQuietAgain = 10000;

}  // namespace

BusyWait::BusyWait(std::int64_t most_us, void (*yield)())
    : yield_(yield),
      window_(std::chrono::microseconds(most_us < 0 ? kAutomaticUs : std::min(most_us, kMostUs))),
      credit_(most_us == 0 ? 0 : 1),
      pause_(kShortestPause.count()) {}

bool BusyWait::look(const std::atomic<std::uint32_t>& word, std::uint32_t seen, platform::Deadline deadline) {
    if (word.load(std::memory_order_acquire) != seen) return true;
    const int credit = credit_.load(memory_order_relaxed);
    if (credit <= 0) return false;
    auto now = Clock::now();
    if (now.time_since_epoch().count() < not_before_.load(memory_order_relaxed)) return false;
    const auto end = std::min(now + window_, deadline.when());
    do {
        const auto before = now;
        yield_();
        const bool changed = word.load(std::memory_order_acquire) != seen;
        now = Clock::now();
        if (now - before > kLongYield) {
            if (debt_.fetch_add(kCostOfLongYield, memory_order_relaxed) + kCostOfLongYield >= kCrowd) crowded(now);
            return changed;
        }
        if (changed) {
            if (credit < kMostCredit) credit_.store(credit + 1, memory_order_relaxed);
            if (const int debt = debt_.load(memory_order_relaxed); debt > 0)
                debt_.store(debt - 1, memory_order_relaxed);
            if (successes_.fetch_add(1, memory_order_relaxed) == kQuietAgain)
                pause_.store(kShortestPause.count(), memory_order_relaxed);
            return true;
        }
    } while (now < end);
    credit_.store(credit - kCostOfFailure, memory_order_relaxed);
    return false;
}

/// Longer each time, so that trying again now and then costs next to nothing.
void BusyWait::crowded(Clock::time_point now) {
    const auto pause = pause_.load(memory_order_relaxed);
    not_before_.store(now.time_since_epoch().count() + pause, memory_order_relaxed);
    pause_.store(std::min(2 * pause, kLongestPause.count()), memory_order_relaxed);
    successes_.store(0, memory_order_relaxed);
    debt_.store(kCostOfLongYield, memory_order_relaxed);  // so that one more is enough
}

void BusyWait::slept(Clock::time_point begin) {
    if (credit_.load(memory_order_relaxed) > 0) return;
    // As waking is part of it, it would have ended within the window.
    if (Clock::now() - begin < window_ * 3 / 2) credit_.store(1, memory_order_relaxed);
}

}  // namespace tr::channel
