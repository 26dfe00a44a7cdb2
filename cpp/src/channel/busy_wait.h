#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#include "platform/deadline.h"

namespace tr::channel {

/// How a wait for another process begins: by looking again and again, with the core given to whoever wants it between
/// two looks, as a thread that sleeps on another core takes some 40 us to wake (docs/decisions/0008). Whether that pays
/// is measured: it keeps the lengths of the last waits of both kinds, does what has been shorter, and tries the other
/// now and then. Where waits are long in any case it sleeps at once, and where the core that is yielded goes to others
/// for long, it is yielded more and more seldom. Any thread.
class BusyWait {
  public:
    using Clock = platform::Deadline::Clock;

    /// @param most_us the longest that one wait may look, microseconds; negative: what is best on most machines, 0:
    /// never
    /// @param yield gives the core to others
    explicit BusyWait(std::int64_t most_us, void (*yield)() = std::this_thread::yield);

    bool is_off() const { return window_.count() == 0; }
    /// Whether the next wait is to look before it sleeps.
    bool is_to_look();
    /// @param now when the wait began; when it looked last, afterwards: on one core the clock takes a sixtieth of a
    /// call
    /// @returns whether the word holds something else than `seen` by now
    bool look(const std::atomic<std::uint32_t>& word, std::uint32_t seen, platform::Deadline deadline,
              Clock::time_point& now);
    /// A wait has ended that has `looked` at first, or not.
    void ended(bool looked, Clock::duration taken);

  private:
    enum Kind : std::size_t { sleeping, looking };

    /// The last few waits of a kind, nanoseconds.
    class Recent {
      public:
        void add(std::int64_t ns);
        void clear() { count_.store(0, std::memory_order_relaxed); }
        /// @returns 0 when there are none
        std::int64_t median() const;

      private:
        static constexpr unsigned kRecent = 8;
        std::array<std::atomic<std::int64_t>, kRecent> waits_{};
        std::atomic<unsigned> count_{0};
    };

    Kind better() const;
    bool is_well_founded(Kind favourite);
    void lost_the_core();

    void (*const yield_)();
    const Clock::duration window_;
    // Nanoseconds and counts of waits. Threads that meet in here spoil an estimate, no more.
    std::array<Recent, 2> recent_;
    std::atomic<Kind> favourite_{looking};
    std::atomic<std::int64_t> decided_{0};  ///< the median of the favourite when it was found to be that
    std::atomic<bool> doubt_{false};        ///< the next trial is due as the favourite's waits have changed
    std::atomic<bool> long_{false};         ///< it sleeps as waits were longer than the window
    std::atomic<int> looks_{0};             ///< since the core was lost, no more than are asked for
    std::atomic<int> left_;                 ///< waits until the other kind is tried; below 0 it is being tried
    std::atomic<int> interval_;             ///< between two trials
    std::atomic<int> pause_{0};             ///< after the core was lost to others: waits until the next trial
};

}  // namespace tr::channel
