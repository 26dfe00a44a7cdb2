#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "channel/owner.h"
#include "platform/deadline.h"

namespace tr::session {

/// Which thread has which channel of a session. One thread at a time holds a channel, over a whole exchange and over
/// calls that block; it can be waited for with a limit. Who holds one without using it, as a stream does between two
/// parts, parks it: a start may take it from there, which its ticket tells. A start has all of them to itself.
class Turns {
  public:
    struct Turn {
        std::size_t channel = 0;
        std::uint64_t ticket = 0;  ///< 0: none
        explicit operator bool() const { return ticket != 0; }
    };

    /// @param most how many channels there may be
    explicit Turns(std::size_t most) : most_(most), channels_(1) {}

    /// Whose answer has not been read, in a channel that nobody holds.
    struct Unread {
        std::uint64_t request;
        channel::Owner owner;
    };

    /// A channel for a new request of this thread: the one whose answer it has not read and nobody else may, else the
    /// first that is free and keeps no answer, else one more, else any that is free.
    /// @returns none when the deadline passed first
    /// @throws what the interrupt check throws, RetryError when the call of this thread has been cancelled, InputError
    ///         when this thread holds all channels itself
    Turn for_request(platform::Deadline deadline);
    /// The channel in which this request is in flight.
    /// @param elsewhere asked now and then: another thread has taken the answer, for this one; then it gives none
    /// @returns none also when no channel has it
    /// @throws what the interrupt check throws, RetryError when the call of this thread has been cancelled
    Turn for_answer(std::uint64_t request, platform::Deadline deadline, const std::function<bool()>& elsewhere);
    /// That one.
    Turn for_channel(std::size_t channel, platform::Deadline deadline);
    /// The same, if it is free just then.
    Turn try_take(std::size_t channel);
    /// Uses a channel whose holder does not: nobody else gets it meanwhile, nor any other.
    /// @returns false when it is not parked
    bool while_parked(std::size_t channel, const std::function<void()>& use);
    /// Whether something holds of one of the channels that nobody holds, or that are parked. Nobody gets one meanwhile.
    bool any_unused(const std::function<bool(std::size_t)>& holds) const;
    /// Has all that wait look again.
    void wake();
    /// @param unread the request that is in flight in it, where somebody still wants the answer
    void release(Turn turn, std::optional<Unread> unread);

    void park(Turn turn);
    /// @returns false when it has been taken meanwhile
    bool resume(Turn turn);
    /// It has not.
    bool holds(Turn turn) const;

    /// Waits until nobody uses a channel, and keeps them from all others until end_start().
    /// @param own the caller's, which it may go on holding; none where it has none
    /// @param take_parked whether a parked channel may be taken from its holder; not set: never
    /// @param needless asked at each step: somebody else has started a worker meanwhile, and nothing is to be waited
    ///        for
    /// @returns false when the deadline passed first, or it is needless
    bool begin_start(Turn own, platform::Deadline deadline, const std::function<bool()>& take_parked,
                     const std::function<bool()>& needless);
    void end_start(Turn own);

    /// How many channels have been given out so far.
    std::size_t count() const { return count_.load(std::memory_order_acquire); }

  private:
    struct Channel {
        std::uint64_t holder = 0;
        bool parked = false;
        channel::ThreadToken parked_by;  ///< the thread that read last what the holder waits for
        bool waits_to_start = false;     ///< its holder does, and touches nothing meanwhile
        std::optional<Unread> unread;
    };

    std::optional<std::size_t> channel_for_request();
    std::optional<std::size_t> channel_of(std::uint64_t request) const;
    bool step(std::unique_lock<std::mutex>& lock, platform::Deadline deadline);
    void refuse_to_wait_for_itself() const;
    bool is_free(std::size_t i) const { return channels_[i].holder == 0; }
    Turn take(std::size_t i);
    Turn none();

    const std::size_t most_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Channel> channels_;
    std::atomic<std::size_t> count_{1};  ///< of them, for who only looks
    std::uint64_t tickets_ = 0;
    bool starting_ = false;
};

}  // namespace tr::session
