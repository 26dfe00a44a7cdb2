#include "session/turns.h"

#include <algorithm>
#include <utility>

#include "platform/interrupt.h"
#include "session/async_calls.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::session {

using platform::Deadline;

Turns::Turn Turns::take(std::size_t i) {
    channels_[i].parked = false;
    return {i, channels_[i].holder = ++tickets_};
}

/// Waits a moment for something to change, as a signal does not end this wait.
/// @returns false when the deadline has passed
bool Turns::step(std::unique_lock<std::mutex>& lock, Deadline deadline) {
    constexpr std::int64_t kStepMs = 200;
    if (deadline.passed()) return false;
    changed_.wait_until(lock, Deadline::after(kStepMs).sooner(deadline).when());
    lock.unlock();
    try {
        detail::check_interrupt();
        AsyncCalls::throw_if_cancelled();
    } catch (...) {
        lock.lock();
        changed_.notify_one();  // what has woken it may have been for another
        throw;
    }
    lock.lock();
    return true;
}

/// Of streams that this thread has read so far, and nobody reads while it waits.
void Turns::refuse_to_wait_for_itself() const {
    const bool all = std::all_of(channels_.begin(), channels_.end(), [](const Channel& channel) {
        return channel.holder != 0 && channel.parked && channel::is_this_thread(channel.parked_by);
    });
    if (starting_ || channels_.size() < most_ || !all) return;
    throw InputError(
        "this thread has a stream open in the session, which has no other channel, so that the call would wait for "
        "itself: read the stream to its end or cancel() it first, or raise SessionOptions::max_ongoing_requests");
}

/// What has woken the caller may have been for another.
Turns::Turn Turns::none() {
    changed_.notify_one();
    return {};
}

Turns::Turn Turns::for_request(Deadline deadline) {
    std::unique_lock<std::mutex> lock(mutex_);
    do {
        if (const auto chosen = starting_ ? std::nullopt : channel_for_request()) return take(*chosen);
        refuse_to_wait_for_itself();
    } while (step(lock, deadline));
    return none();
}

std::optional<std::size_t> Turns::channel_for_request() {
    std::optional<std::size_t> keeping;
    std::optional<std::size_t> free;
    for (std::size_t i = channels_.size(); i-- > 0;) {
        if (!is_free(i)) continue;
        const auto& unread = channels_[i].unread;
        const bool wanted = unread && !unread->owner.expired();
        if (wanted && unread->owner.handle.expired() && channel::is_this_thread(unread->owner.thread)) return i;
        (wanted ? keeping : free) = i;
    }
    if (free) return free;
    if (channels_.size() == most_) return keeping;
    channels_.emplace_back();
    count_.store(channels_.size(), std::memory_order_release);
    return channels_.size() - 1;
}

Turns::Turn Turns::for_answer(std::uint64_t request, Deadline deadline, const std::function<bool()>& elsewhere) {
    std::unique_lock<std::mutex> lock(mutex_);
    do {
        const auto found = channel_of(request);
        // After that: whoever had the channel puts the answer elsewhere before another one can be in it.
        if (elsewhere() || !found) break;
        if (!starting_ && is_free(*found)) return take(*found);  // else who has it keeps the answer for this thread
    } while (step(lock, deadline));
    return none();
}

std::optional<std::size_t> Turns::channel_of(std::uint64_t request) const {
    for (std::size_t i = 0; i < channels_.size(); ++i)
        if (channels_[i].unread && channels_[i].unread->request == request) return i;
    return std::nullopt;
}

Turns::Turn Turns::for_channel(std::size_t channel, Deadline deadline) {
    std::unique_lock<std::mutex> lock(mutex_);
    do {
        if (!starting_ && is_free(channel)) return take(channel);
    } while (step(lock, deadline));
    return none();
}

Turns::Turn Turns::try_take(std::size_t channel) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return starting_ || !is_free(channel) ? Turn{} : take(channel);
}

bool Turns::while_parked(std::size_t channel, const std::function<void()>& use) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (starting_ || !channels_[channel].parked) return false;
    use();
    return true;
}

bool Turns::any_unused(const std::function<bool(std::size_t)>& holds) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (starting_) return false;
    for (std::size_t i = 0; i < channels_.size(); ++i)
        if ((is_free(i) || channels_[i].parked) && holds(i)) return true;
    return false;
}

void Turns::wake() {
    const std::lock_guard<std::mutex> lock(mutex_);
    changed_.notify_all();
}

void Turns::release(Turn turn, std::optional<Unread> unread) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto& channel = channels_[turn.channel];
    if (channel.holder != turn.ticket) return;
    channel.holder = 0;
    channel.unread = std::move(unread);
    // With one channel all wait for the same.
    most_ == 1 ? changed_.notify_one() : changed_.notify_all();
}

void Turns::park(Turn turn) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (channels_[turn.channel].holder != turn.ticket) return;
    channels_[turn.channel].parked = true;
    channels_[turn.channel].parked_by = channel::this_thread();
    changed_.notify_all();  // who cannot take it from there waits on
}

bool Turns::resume(Turn turn) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto& channel = channels_[turn.channel];
    if (channel.holder != turn.ticket) return false;
    channel.parked = false;
    return true;
}

bool Turns::holds(Turn turn) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return channels_[turn.channel].holder == turn.ticket;
}

bool Turns::begin_start(Turn own, Deadline deadline, const std::function<bool()>& take_parked,
                        const std::function<bool()>& needless) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (own) channels_[own.channel].waits_to_start = true;
    changed_.notify_all();  // another start may be waiting for the caller's channel alone
    const auto in_use = [&](const Channel& channel) {
        return channel.holder != 0 && !channel.waits_to_start && !(channel.parked && take_parked && take_parked());
    };
    const auto all_quiet = [&] {
        for (const auto& channel : channels_)
            if (in_use(channel)) return false;
        return !starting_;
    };
    try {
        while (!all_quiet()) {
            if (!starting_ && needless && needless()) break;
            if (!step(lock, deadline)) break;
        }
    } catch (...) {
        if (own) channels_[own.channel].waits_to_start = false;
        throw;
    }
    if (!all_quiet() || (needless && needless())) {
        if (own) channels_[own.channel].waits_to_start = false;
        changed_.notify_one();
        return false;
    }
    starting_ = true;
    for (auto& channel : channels_)
        if (channel.parked) channel = {};
    return true;
}

void Turns::end_start(Turn own) {
    const std::lock_guard<std::mutex> lock(mutex_);
    starting_ = false;
    if (own) channels_[own.channel].waits_to_start = false;
    changed_.notify_all();
}

}  // namespace tr::session
