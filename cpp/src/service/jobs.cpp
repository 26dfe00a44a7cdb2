// submit(): calls beside the caller, each on a thread of the pool from when it has a place in a worker.
#include <algorithm>
#include <system_error>
#include <utility>

#include "service/pool_core.h"
#include "session/session_access.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::service {

using platform::Deadline;

PoolCore::Entered PoolCore::enter_job(const std::shared_ptr<Waiter>& waiter,
                                      std::optional<PoolOptions::WhenFull> when_full, bool waits) {
    check_process();
    const std::string& what = waiter->call->command;
    Lock lock(mutex_);
    require_open({what, waiter->terms, waiter->deadline, {}});
    require_thread();
    if (auto slot = choose(waiter->terms)) {
        give(waiter, std::move(slot));
        return Entered::yes;
    }
    enter(waiter, what, when_full);
    if (waiter->state == Waiter::State::outside) return Entered::no;
    jobs_changed_.notify_one();  // its limit may be the next to pass
    if (!waits) return Entered::yes;
    wait_at_gate(lock, waiter, what);
    return waiter->state == Waiter::State::outside ? Entered::late : Entered::yes;
}

/// One thread more than can be at work: it sees to the limits of those that wait.
void PoolCore::require_thread() {
    if (idle_ > jobs_.size() + line_.queued() || threads_.size() > capacity()) return;
    try {
        threads_.emplace_back([this] { serve_jobs(); });
    } catch (const std::system_error& error) {
        if (threads_.empty())
            throw RetryError(std::string("the pool cannot start a thread for submit(): ") + error.what());
    }
}

void PoolCore::serve_jobs() {
    own_thread = this;
    Lock lock(mutex_);
    for (;;) {
        drop_ended(lock);
        if (!jobs_.empty()) {
            run_job(lock);
            continue;
        }
        if (jobs_closed_) return;
        const Deadline next = line_.next_deadline();
        ++idle_;
        if (next.is_never())
            jobs_changed_.wait(lock);
        else
            jobs_changed_.wait_until(lock, next.when());
        --idle_;
    }
}

void PoolCore::run_job(Lock& lock) {
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    ++jobs_at_work_;
    lock.unlock();
    if (job->state == Waiter::State::refused) {
        job->call->refuse(job->refusal);
    } else {
        *job->place = Place(*this, std::move(job->slot), job->generation);
        job->call->run();
    }
    job = nullptr;  // with its place, where it was cancelled just then and has not used it
    lock.lock();
    --jobs_at_work_;
    if (state_ == State::drained) changed_.notify_all();
}

/// Calls that wait and are not to be made any more.
void PoolCore::drop_ended(Lock& lock) {
    const auto over = [](const Waiter& waiter) {
        return waiter.call && (waiter.call->is_cancelled() || waiter.deadline.passed());
    };
    while (const auto job = line_.find_any(over)) {
        line_.leave(job);
        std::exception_ptr reason = job->call->cancelled();
        if (!job->call->is_cancelled()) try {
                throw_late(*job, job->call->command);
            } catch (...) {
                reason = std::current_exception();
            }
        if (state_ == State::drained) changed_.notify_all();
        auto call = std::move(job->call);
        lock.unlock();
        call->refuse(reason);
        call = nullptr;  // with its tensors
        lock.lock();
    }
}

void PoolCore::wake_jobs() {
    std::vector<std::shared_ptr<Slot>> slots;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        jobs_changed_.notify_all();
        for (const auto& slot : slots_)
            if (slot->in_flight > 0) slots.push_back(slot);
    }
    for (const auto& slot : slots) detail::Waits::wake(slot->session);
}

}  // namespace tr::service
