#include "worker/worker.h"

#include <utility>

namespace tr::worker {

void Waiting::add(const std::shared_ptr<channel::Carrier>& carrier) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        for (auto known = carriers_.begin(); known != carriers_.end();)
            known = known->expired() ? carriers_.erase(known) : std::next(known);
        carriers_.push_back(carrier);
        if (!ended_) return;
    }
    carrier->wake();
}

void Waiting::add(std::function<void()> then) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!ended_) return others_.push_back(std::move(then));
    }
    then();
}

void Waiting::wake_all() {
    std::vector<std::weak_ptr<channel::Carrier>> carriers;
    std::vector<std::function<void()>> others;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        ended_ = true;
        carriers = carriers_;
        others.swap(others_);
    }
    for (const auto& known : carriers)
        if (const auto carrier = known.lock()) carrier->wake();
    for (const auto& then : others) then();
}

void Worker::says_ready() {
    State expected = State::starting;
    state_.compare_exchange_strong(expected, State::ready);
    const std::lock_guard<std::mutex> lock(ready_mutex_);
    ready_.notify_all();
}

bool Worker::wait_until_ready(platform::Deadline deadline) const {
    std::unique_lock<std::mutex> lock(ready_mutex_);
    return ready_.wait_until(lock, deadline.when(), [this] { return was_ready(); });
}

void Worker::wake_at_end(const std::vector<std::shared_ptr<channel::Carrier>>& carriers) const {
    for (const auto& carrier : carriers) waiting_->add(carrier);
}

platform::Ping Worker::ask(platform::Deadline until, const std::function<bool()>& enough) const {
    if (!is_ours()) return platform::Ping::unknown;  // its owner may be asking
    const std::unique_lock<TimedMutex> lock(ping_mutex_, until.when());
    if (!lock) return platform::Ping::silent;
    // An answer to a question to an earlier worker of the session may lie there still.
    const std::uint64_t number = epoch() << 32 | ++pings_;
    return platform::ask_ping(launched_.directory, number, until, enough);
}

}  // namespace tr::worker
