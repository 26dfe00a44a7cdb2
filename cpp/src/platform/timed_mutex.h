#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace tr {

/// A std::timed_mutex, for std::unique_lock. GCC 12's ThreadSanitizer does not see when that one is locked with a
/// limit.
class TimedMutex {
  public:
    void lock() {
        std::unique_lock<std::mutex> lock(mutex_);
        freed_.wait(lock, [this] { return !locked_; });
        locked_ = true;
    }
    bool try_lock_until(std::chrono::steady_clock::time_point limit) {
        std::unique_lock<std::mutex> lock(mutex_);
        if (!freed_.wait_until(lock, limit, [this] { return !locked_; })) return false;
        return locked_ = true;
    }
    void unlock() {
        const std::lock_guard<std::mutex> lock(mutex_);
        locked_ = false;
        freed_.notify_one();
    }

  private:
    std::mutex mutex_;
    std::condition_variable freed_;
    bool locked_ = false;
};

}  // namespace tr
