#include "channel/busy_wait.h"

#include <algorithm>

namespace tr::channel {
namespace {

using std::memory_order_relaxed;

/// Twice what waking takes: for a peer that has to be woken first, and then answers at once.
constexpr std::int64_t kAutomaticUs = 100;
constexpr std::int64_t kMostUs = 10'000;
constexpr int kTrial = 8;  ///< waits
/// By so much sleeping has to be shorter. Whoever sleeps holds up the other side, which hears of it as longer waits and
/// tries to sleep as well: on one core two that had come to sleep would go on so, for no more than the noise of a
/// trial.
constexpr std::int64_t kMargin = 1'000;
constexpr int kFirstInterval = 32;
constexpr int kShortestInterval = 256;
constexpr int kLongestInterval = 65'536;
/// A yield that takes longer has given the core to a process that computes. Its slice is some milliseconds, while who
/// sleeps is given the core as soon as there is news.
constexpr std::chrono::microseconds kSlice(400);
/// A slice that is lost once in so many looks is not what others want the core for, and costs less than sleeping.
constexpr int kRare = 4'096;

}  // namespace

BusyWait::BusyWait(std::int64_t most_us, void (*yield)())
    : yield_(yield),
      window_(std::chrono::microseconds(most_us < 0 ? kAutomaticUs : std::min(most_us, kMostUs))),
      left_(kFirstInterval),
      interval_(kShortestInterval) {}

void BusyWait::Recent::add(std::int64_t ns) {
    const unsigned place = count_.load(memory_order_relaxed);
    waits_[place % kRecent].store(ns, memory_order_relaxed);
    count_.store(place + 1, memory_order_relaxed);
}

/// Not the mean: one wait beside a process that has taken the core is as long as all the others.
std::int64_t BusyWait::Recent::median() const {
    const auto count = std::min(count_.load(memory_order_relaxed), kRecent);
    if (count == 0) return 0;
    std::array<std::int64_t, kRecent> waits{};
    for (unsigned i = 0; i < count; ++i) waits[i] = waits_[i].load(memory_order_relaxed);
    const auto middle = waits.begin() + count / 2;
    std::nth_element(waits.begin(), middle, waits.begin() + count);
    return *middle;
}

/// By what is known; where even a look that succeeds would hardly end within the window, it only costs.
BusyWait::Kind BusyWait::better() const {
    const auto looked = recent_[looking].median();
    const auto slept = recent_[sleeping].median();
    const auto window = std::chrono::nanoseconds(window_).count();
    return looked > 0 && (looked > window * 3 / 2 || (slept > 0 && slept + kMargin < looked)) ? sleeping : looking;
}

/// Waits had become longer: whether they still are. While the other side tries to sleep, they are for a moment.
bool BusyWait::is_well_founded(Kind favourite) {
    return !doubt_.exchange(false, memory_order_relaxed) ||
           recent_[favourite].median() > 2 * decided_.load(memory_order_relaxed);
}

bool BusyWait::is_to_look() {
    const Kind favourite = favourite_.load(memory_order_relaxed);
    const Kind other = favourite == looking ? sleeping : looking;
    const int left = left_.fetch_sub(1, memory_order_relaxed);
    if (left > 0) return favourite == looking;
    if (left > -kTrial) {
        if (left == 0) {
            if (!is_well_founded(favourite)) {
                left_.store(interval_.load(memory_order_relaxed), memory_order_relaxed);
                return favourite == looking;
            }
            recent_[other].clear();  // what it was once says little about now
        }
        return other == looking;
    }
    const Kind found = better();
    const int pause = pause_.load(memory_order_relaxed) / 2;  // as the core was not lost this time
    pause_.store(pause, memory_order_relaxed);
    const int interval = std::max(found == favourite ? interval_.load(memory_order_relaxed) : kShortestInterval,
                                  found == sleeping ? pause : 0);
    favourite_.store(found, memory_order_relaxed);
    decided_.store(recent_[found].median(), memory_order_relaxed);
    interval_.store(std::min(2 * interval, kLongestInterval), memory_order_relaxed);
    left_.store(interval, memory_order_relaxed);
    return found == looking;
}

bool BusyWait::look(const std::atomic<std::uint32_t>& word, std::uint32_t seen, platform::Deadline deadline,
                    Clock::time_point& now) {
    if (word.load(std::memory_order_acquire) != seen) return true;
    const auto end = std::min(now + window_, deadline.when());
    do {
        const auto before = now;
        yield_();
        now = Clock::now();
        if (now - before > kSlice) lost_the_core();
        if (word.load(std::memory_order_acquire) != seen) return true;
    } while (now < end);
    return false;
}

void BusyWait::lost_the_core() {
    // What is rare is slept over once, and leaves nothing behind that would keep it from looking again.
    const bool rare = looks_.exchange(0, memory_order_relaxed) >= kRare;
    const int pause = rare ? 0 : std::clamp(4 * pause_.load(memory_order_relaxed), kShortestInterval, kLongestInterval);
    pause_.store(pause, memory_order_relaxed);
    favourite_.store(sleeping, memory_order_relaxed);
    left_.store(std::max(pause, kShortestInterval), memory_order_relaxed);
}

void BusyWait::ended(bool looked, Clock::duration taken) {
    const Kind kind = looked ? looking : sleeping;
    const auto ns = std::max<std::int64_t>(1, std::chrono::nanoseconds(taken).count());
    recent_[kind].add(ns);
    if (looked && looks_.load(memory_order_relaxed) < kRare) looks_.fetch_add(1, memory_order_relaxed);

    const auto limit = std::chrono::nanoseconds(window_).count() * 3 / 2;
    const bool calm = pause_.load(memory_order_relaxed) == 0;
    if (kind != favourite_.load(memory_order_relaxed)) {
        // Others want the core, and get a slice of its time with each yield: once is enough.
        if (looked && calm && ns > limit && ns > 8 * recent_[sleeping].median())
            left_.store(-kTrial, memory_order_relaxed);
    } else if (looked && ns > limit && recent_[looking].median() > limit) {
        // Not for one: that is what a pause looks like between two bursts of calls.
        favourite_.store(sleeping, memory_order_relaxed);
        recent_[sleeping].clear();
        long_.store(true, memory_order_relaxed);
        left_.store(interval_.load(memory_order_relaxed), memory_order_relaxed);
    } else if (!looked && calm && ns <= limit && long_.load(memory_order_relaxed) &&
               recent_[sleeping].median() <= limit) {
        long_.store(false, memory_order_relaxed);
        left_.store(0, memory_order_relaxed);  // they are short again: the next one looks
    } else if (calm && ns > 2 * decided_.load(memory_order_relaxed) &&
               left_.load(memory_order_relaxed) > kFirstInterval) {
        doubt_.store(true, memory_order_relaxed);
        left_.store(kFirstInterval, memory_order_relaxed);
    }
}

}  // namespace tr::channel
