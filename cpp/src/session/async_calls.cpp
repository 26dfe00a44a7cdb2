#include "session/async_calls.h"

#include <algorithm>
#include <utility>

#include "platform/interrupt.h"
#include "tech_renaissance/session/call_future.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::session {
namespace {

using platform::Deadline;
thread_local const AsyncCall* running = nullptr;  // on this thread

}  // namespace

// ------------------------------------------------------------------------------------------------------------ a call

std::exception_ptr AsyncCall::cancelled() const {
    return std::make_exception_ptr(
        RetryError("'" + command + "' was cancelled by the program that had called it", ErrorCode::cancelled));
}

void AsyncCall::cancel() {
    const std::lock_guard<std::mutex> lock(mutex_);
    cancelled_.store(true, std::memory_order_release);
    // With the mutex held, as it touches the session, which is there for as long as this is at work.
    if (state_ != State::ended) wake_();
}

void AsyncCall::when_ready(std::function<void()> callback) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (state_ != State::ended) {
            callbacks_.push_back(std::move(callback));
            return;
        }
    }
    callback();
}

void AsyncCall::run() {
    if (is_cancelled()) return refuse(cancelled());
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        state_.store(State::at_work, std::memory_order_release);
    }
    running = this;
    work();
    running = nullptr;
    end();
}

void AsyncCall::refuse(const std::exception_ptr& reason) {
    fail(reason);
    end();
}

void AsyncCall::end() {
    std::vector<std::function<void()>> callbacks;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        state_.store(State::ended, std::memory_order_release);
        drop_work();
        wake_ = nullptr;
        callbacks.swap(callbacks_);
    }
    for (const auto& callback : callbacks) callback();
}

void AsyncCalls::throw_if_cancelled() {
    detail::check_stop_flag();
    if (running != nullptr && running->is_cancelled()) std::rethrow_exception(running->cancelled());
}

// --------------------------------------------------------------------------------------------------------- the queue

void AsyncCalls::submit(const std::shared_ptr<AsyncCall>& call) {
    const std::lock_guard<std::mutex> lock(queue_->mutex);
    if (queue_->closed) throw InputError("this session is being destroyed: no more calls are taken");
    // One thread more than can be at work: it waits for the next to end, or for a limit to pass.
    if (queue_->idle <= queue_->waiting.size() && threads_.size() <= queue_->at_once) add_thread();
    queue_->waiting.push_back(call);
    queue_->changed.notify_one();  // any can take it, or see to its limit
}

/// With the queue's mutex held.
void AsyncCalls::add_thread() {
    threads_.emplace_back([queue = queue_] { serve(*queue); });
}

void AsyncCalls::serve(Queue& queue) {
    std::unique_lock<std::mutex> lock(queue.mutex);
    for (;;) {
        drop_ended(queue, lock);
        if (queue.waiting.empty() && queue.closed) return;
        if (!queue.waiting.empty() && queue.at_work < queue.at_once) {
            const auto call = std::move(queue.waiting.front());
            queue.waiting.pop_front();
            ++queue.at_work;
            lock.unlock();
            call->run();
            lock.lock();
            --queue.at_work;  // this thread takes the next
            continue;
        }
        auto next = Deadline::never();
        for (const auto& call : queue.waiting) next = next.sooner(call->deadline);
        ++queue.idle;
        if (next.is_never())
            queue.changed.wait(lock);
        else
            queue.changed.wait_until(lock, next.when());
        --queue.idle;
    }
}

/// Calls that are not to be made any more.
void AsyncCalls::drop_ended(Queue& queue, std::unique_lock<std::mutex>& lock) {
    const auto over = [&queue](const std::shared_ptr<AsyncCall>& call) {
        return queue.closed || call->is_cancelled() || call->deadline.passed();
    };
    for (;;) {
        const auto found = std::find_if(queue.waiting.begin(), queue.waiting.end(), over);
        if (found == queue.waiting.end()) return;
        const auto call = *found;
        const bool closed = queue.closed;
        queue.waiting.erase(found);
        lock.unlock();
        if (call->is_cancelled())
            call->refuse(call->cancelled());
        else if (closed)
            call->refuse(std::make_exception_ptr(
                RetryError("'" + call->command + "' was not called: its session has ended before its turn came",
                           ErrorCode::cancelled)));
        else
            call->refuse(std::make_exception_ptr(
                TimeoutError("the time limit passed while '" + call->command +
                             "' waited for the calls of calculate_async() before it; the request was not sent: give it "
                             "longer, or raise SessionOptions::max_ongoing_requests")));
        lock.lock();
    }
}

void AsyncCalls::refuse() {
    const std::lock_guard<std::mutex> lock(queue_->mutex);
    queue_->closed = true;
    queue_->changed.notify_all();
}

void AsyncCalls::wake() {
    const std::lock_guard<std::mutex> lock(queue_->mutex);
    queue_->changed.notify_one();
}

void AsyncCalls::join() {
    refuse();
    std::vector<std::thread> threads;
    {
        const std::lock_guard<std::mutex> lock(queue_->mutex);
        threads.swap(threads_);
    }
    for (auto& thread : threads) thread.join();
}

}  // namespace tr::session

namespace tr {

bool AsyncHandle::is_ready() const {
    return !call_ || call_->is_ready();
}

void AsyncHandle::cancel() const {
    if (call_) call_->cancel();
}

void AsyncHandle::when_ready(std::function<void()> callback) const {
    call_ ? call_->when_ready(std::move(callback)) : callback();
}

}  // namespace tr
