#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "channel/owner.h"
#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/protocol/value.h"

namespace tr::session {

/// A response with what it names: its tensors are held from the moment it is taken, so that the next exchange cannot
/// change them.
struct Answer {
    std::uint64_t request = 0;  ///< to which
    channel::Owner owner{};     ///< whose it is
    std::string command{};
    std::string text{};
    std::vector<Tensor> tensors{};
    std::vector<std::string> names{};  ///< of each of them, empty for one without; none at all where none has one
    Value values{};                    ///< an object: results that are no tensors; null for none
    std::exception_ptr error{};
    bool more = false;  ///< a part of a stream
};

/// Which request each thread has sent last by hand, and answers that were taken by somebody else than who may read
/// them. Any thread.
class Inbox {
  public:
    /// This thread's own request is this one from here on.
    void sent(std::uint64_t request) {
        const std::lock_guard<std::mutex> lock(mutex_);
        sent_.push_back({channel::this_thread(), request});
        note_whether_empty();
    }
    /// That one; nothing when it has sent none, or has read its answer.
    std::optional<std::uint64_t> own_request() const {
        if (empty_.load(std::memory_order_relaxed)) return std::nullopt;
        const std::lock_guard<std::mutex> lock(mutex_);
        for (const auto& one : sent_)
            if (channel::is_this_thread(one.thread)) return one.request;
        return std::nullopt;
    }
    /// The thread's own request is none any more: only who has its handle may read its answer. Drops what nobody can.
    void leave_own() {
        forget([](const Sent& one) { return channel::is_this_thread(one.thread); });
    }
    /// The answer to it has been read.
    void read(std::uint64_t request) {
        forget([request](const Sent& one) { return one.request == request; });
    }

    /// Keeps an answer, where anybody can read it.
    void put(Answer answer) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (is_wanted(answer)) answers_.push_back(std::move(answer));
        note_whether_empty();
    }
    std::optional<Answer> take(std::uint64_t request) {
        if (empty_.load(std::memory_order_relaxed)) return std::nullopt;
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = find(request);
        if (found == answers_.end()) return std::nullopt;
        std::optional<Answer> answer(std::move(*found));
        answers_.erase(found);
        note_whether_empty();
        return answer;
    }
    bool has(std::uint64_t request) const {
        if (empty_.load(std::memory_order_relaxed)) return false;
        const std::lock_guard<std::mutex> lock(mutex_);
        return find(request) != answers_.end();
    }

    /// There is one that somebody can read.
    bool has_any() const {
        if (empty_.load(std::memory_order_relaxed)) return false;
        const std::lock_guard<std::mutex> lock(mutex_);
        return std::any_of(answers_.begin(), answers_.end(), [this](const auto& one) { return is_wanted(one); });
    }

  private:
    struct Sent {
        channel::ThreadToken thread;
        std::uint64_t request;
    };

    template <class Which>
    void forget(const Which& which) {
        if (empty_.load(std::memory_order_relaxed)) return;
        std::vector<Answer> dropped;  // with no lock held, as tensors go with them
        const std::lock_guard<std::mutex> lock(mutex_);
        sent_.erase(std::remove_if(sent_.begin(), sent_.end(),
                                   [&](const Sent& one) { return one.thread.expired() || which(one); }),
                    sent_.end());
        const auto unwanted =
            std::stable_partition(answers_.begin(), answers_.end(), [this](const auto& one) { return is_wanted(one); });
        dropped.assign(std::make_move_iterator(unwanted), std::make_move_iterator(answers_.end()));
        answers_.erase(unwanted, answers_.end());
        note_whether_empty();
    }
    bool is_wanted(const Answer& answer) const {
        return !answer.owner.handle.expired() || std::any_of(sent_.begin(), sent_.end(), [&](const Sent& one) {
            return one.request == answer.request && !one.thread.expired();
        });
    }
    std::vector<Answer>::const_iterator find(std::uint64_t request) const {
        return std::find_if(answers_.begin(), answers_.end(),
                            [request](const Answer& one) { return one.request == request; });
    }
    std::vector<Answer>::iterator find(std::uint64_t request) {
        return std::find_if(answers_.begin(), answers_.end(),
                            [request](const Answer& one) { return one.request == request; });
    }
    void note_whether_empty() { empty_.store(sent_.empty() && answers_.empty(), std::memory_order_relaxed); }

    mutable std::mutex mutex_;
    std::vector<Sent> sent_;
    std::vector<Answer> answers_;
    std::atomic<bool> empty_{true};
};

}  // namespace tr::session
