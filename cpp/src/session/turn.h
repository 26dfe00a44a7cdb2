#pragma once

#include <condition_variable>
#include <mutex>

#include "platform/deadline.h"
#include "session/interrupt.h"

namespace tr {

/// Lets one thread at a time hold a whole exchange with the worker. Unlike a mutex it can be waited for with a limit,
/// and may be held over calls that block.
class Turn {
  public:
    /// @returns false when the deadline passed first
    /// @throws what the interrupt check throws
    bool acquire(platform::Deadline deadline) {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto free = [this] { return !taken_; };
        while (!free()) {
            // In steps, as a signal does not end this wait.
            const auto step = platform::Deadline::after(kStepMs).sooner(deadline);
            if (changed_.wait_until(lock, step.when(), free)) break;
            if (deadline.passed()) return false;
            lock.unlock();
            detail::check_interrupt();
            lock.lock();
        }
        taken_ = true;
        return true;
    }

    void release() {
        const std::lock_guard<std::mutex> lock(mutex_);
        taken_ = false;
        changed_.notify_one();
    }

  private:
    static constexpr std::int64_t kStepMs = 200;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool taken_ = false;
};

}  // namespace tr
