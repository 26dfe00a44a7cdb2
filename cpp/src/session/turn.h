#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "platform/deadline.h"
#include "session/interrupt.h"

namespace tr {

/// Lets one thread at a time hold a whole exchange with the worker. Unlike a mutex it can be waited for with a limit,
/// and may be held over calls that block. Who holds it without using it, as a stream does between two parts, parks it:
/// it may be taken from there, which its ticket tells.
class Turn {
  public:
    using Ticket = std::uint64_t;

    /// @param take_parked whether it may be taken from a holder that has parked it; not set: never
    /// @returns 0 when the deadline passed first
    /// @throws what the interrupt check throws
    Ticket acquire(platform::Deadline deadline, const std::function<bool()>& take_parked = {}) {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto free = [&] { return holder_ == 0 || (parked_ && take_parked && take_parked()); };
        while (!free()) {
            // In steps, as a signal does not end this wait.
            const auto step = platform::Deadline::after(kStepMs).sooner(deadline);
            if (changed_.wait_until(lock, step.when(), free)) break;
            if (deadline.passed()) return 0;
            lock.unlock();
            detail::check_interrupt();
            lock.lock();
        }
        parked_ = false;
        return holder_ = ++tickets_;
    }

    /// @returns 0 when another thread holds it, parked or not
    Ticket try_acquire() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return holder_ == 0 ? holder_ = ++tickets_ : 0;
    }

    void park(Ticket ticket) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (holder_ != ticket) return;
        parked_ = true;
        changed_.notify_all();  // who cannot take it from there waits on
    }

    /// @returns false when it has been taken meanwhile
    bool resume(Ticket ticket) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (holder_ != ticket) return false;
        parked_ = false;
        return true;
    }

    void release(Ticket ticket) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (holder_ != ticket) return;
        holder_ = 0;
        changed_.notify_one();
    }

  private:
    static constexpr std::int64_t kStepMs = 200;
    std::mutex mutex_;
    std::condition_variable changed_;
    Ticket tickets_ = 0;
    Ticket holder_ = 0;
    bool parked_ = false;
};

}  // namespace tr
