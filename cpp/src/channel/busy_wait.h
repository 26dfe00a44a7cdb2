#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "platform/deadline.h"

namespace tr::channel {

/// How a wait for another process begins: by looking again and again, with the core given to whoever wants it between
/// two looks, as a thread that sleeps on another core takes some 40 us to wake (docs/decisions/0008). It learns: where
/// waits take longer than it would look, it does not look until they are short again, and where others want the core it
/// does not look for a while, as each yield gives them a whole slice of time. Any thread.
class BusyWait {
  public:
    using Clock = platform::Deadline::Clock;

    /// @param most_us the longest that one wait may look, microseconds; negative: what is best on most machines, 0:
    /// never
    /// @param yield gives the core to others
    explicit BusyWait(std::int64_t most_us, void (*yield)() = std::this_thread::yield);

    /// @returns whether the word holds something else than `seen` by now
    bool look(const std::atomic<std::uint32_t>& word, std::uint32_t seen, platform::Deadline deadline);
    /// A wait that look() did not end has ended.
    /// @param begin when it began
    void slept(Clock::time_point begin);
    bool is_off() const { return window_.count() == 0; }

  private:
    void crowded(Clock::time_point now);

    void (*const yield_)();
    const Clock::duration window_;
    std::atomic<int> credit_;                ///< waits that may look and fail before no other one does
    std::atomic<Clock::rep> pause_;          ///< for how long not to look when others have wanted the core
    std::atomic<Clock::rep> not_before_{0};  ///< since the clock's epoch
    std::atomic<int> debt_{0};               ///< of yields that took long, in looks that succeeded
    std::atomic<int> successes_{0};          ///< since others have wanted the core
};

}  // namespace tr::channel
