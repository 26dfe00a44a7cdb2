#pragma once

#include <atomic>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "channel/thread_token.h"
#include "tech_renaissance/data/tensor.h"

namespace tr::session {

/// A response with what it names: its tensors are held from the moment it is taken, so that the next exchange cannot
/// change them.
struct Answer {
    std::string command;
    std::string text;
    std::vector<Tensor> tensors;
    std::exception_ptr error;
    bool more = false;  ///< a part of a stream
};

/// Answers that their threads have not read yet. Any thread.
class Inbox {
  public:
    void put(const channel::ThreadToken& thread, Answer answer) {
        const std::lock_guard<std::mutex> lock(mutex_);
        answers_[thread] = std::move(answer);
        empty_.store(false, std::memory_order_relaxed);
    }
    /// This thread's.
    std::optional<Answer> take() {
        if (empty_.load(std::memory_order_relaxed)) return std::nullopt;
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = answers_.find(channel::this_thread());
        if (found == answers_.end()) return std::nullopt;
        std::optional<Answer> answer(std::move(found->second));
        answers_.erase(found);
        empty_.store(answers_.empty(), std::memory_order_relaxed);
        return answer;
    }
    /// There is one for this thread.
    bool has() const {
        if (empty_.load(std::memory_order_relaxed)) return false;
        const std::lock_guard<std::mutex> lock(mutex_);
        return answers_.find(channel::this_thread()) != answers_.end();
    }
    /// Drops this thread's, and those of threads that have ended.
    void drop() {
        if (empty_.load(std::memory_order_relaxed)) return;
        const std::lock_guard<std::mutex> lock(mutex_);
        for (auto kept = answers_.begin(); kept != answers_.end();)
            kept =
                kept->first.expired() || channel::is_this_thread(kept->first) ? answers_.erase(kept) : std::next(kept);
        empty_.store(answers_.empty(), std::memory_order_relaxed);
    }

  private:
    mutable std::mutex mutex_;
    std::map<channel::ThreadToken, Answer, std::owner_less<>> answers_;
    std::atomic<bool> empty_{true};
};

}  // namespace tr::session
