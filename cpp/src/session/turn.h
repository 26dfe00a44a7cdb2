#pragma once

#include <condition_variable>
#include <mutex>

#include "platform/deadline.h"

namespace tr {

/// Lets one thread at a time hold a whole exchange with the worker. Unlike a mutex it can be waited for with a limit,
/// and may be held over calls that block.
class Turn {
  public:
    /// @returns false when the deadline passed first
    bool acquire(platform::Deadline deadline) {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto free = [this] { return !taken_; };
        if (deadline.is_never())
            changed_.wait(lock, free);
        else if (!changed_.wait_until(lock, deadline.when(), free))
            return false;
        taken_ = true;
        return true;
    }

    void release() {
        const std::lock_guard<std::mutex> lock(mutex_);
        taken_ = false;
        changed_.notify_one();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool taken_ = false;
};

}  // namespace tr
