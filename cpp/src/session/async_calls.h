#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "platform/deadline.h"

namespace tr::session {

/// One calculate_async() or call_async(), from its making to its end. Any thread.
class AsyncCall {
  public:
    /// @param wake has the thread that runs it look again
    AsyncCall(std::string what, platform::Deadline limit, std::function<void()> wake)
        : command(std::move(what)), deadline(limit), wake_(std::move(wake)) {}
    virtual ~AsyncCall() = default;
    AsyncCall(const AsyncCall&) = delete;
    AsyncCall& operator=(const AsyncCall&) = delete;

    const std::string command;
    const platform::Deadline deadline;

    bool is_ready() const { return state_.load(std::memory_order_acquire) == State::ended; }
    bool is_cancelled() const { return cancelled_.load(std::memory_order_acquire); }
    void cancel();
    void when_ready(std::function<void()> callback);

    /// On the thread that has taken it from the queue.
    void run();
    /// Ends it without having been run.
    void refuse(const std::exception_ptr& reason);
    std::exception_ptr cancelled() const;

  protected:
    /// Does what is to be done, and keeps the result, or what it throws.
    virtual void work() = 0;
    virtual void fail(const std::exception_ptr& reason) = 0;
    /// Lets go of what the work keeps.
    virtual void drop_work() = 0;

  private:
    enum class State { waits, at_work, ended };
    void end();

    std::function<void()> wake_;
    std::mutex mutex_;
    std::atomic<State> state_{State::waits};
    std::atomic<bool> cancelled_{false};
    std::vector<std::function<void()>> callbacks_;
};

template <class Result>
class AsyncCallFor : public AsyncCall {
  public:
    using Work = std::function<Result(const AsyncCall&)>;

    AsyncCallFor(std::string what, platform::Deadline limit, Work work, std::function<void()> wake)
        : AsyncCall(std::move(what), limit, std::move(wake)), work_(std::move(work)) {}
    std::future<Result> future() { return promise_.get_future(); }

  private:
    void work() override {
        try {
            promise_.set_value(work_(*this));
        } catch (...) {
            promise_.set_exception(std::current_exception());
        }
    }
    void fail(const std::exception_ptr& reason) override { promise_.set_exception(reason); }
    void drop_work() override { work_ = nullptr; }

    Work work_;
    std::promise<Result> promise_;
};

/// Runs calls in the order of their making, so many at a time, each on a thread that then takes the next. One thread
/// more, where calls wait, sees to their limits. There is none before the first call.
class AsyncCalls {
  public:
    explicit AsyncCalls(std::size_t at_once) : queue_(std::make_shared<Queue>(at_once)) {}
    ~AsyncCalls() { join(); }
    AsyncCalls(const AsyncCalls&) = delete;
    AsyncCalls& operator=(const AsyncCalls&) = delete;

    void submit(const std::shared_ptr<AsyncCall>& call);
    /// Ends those that wait; no more are taken.
    void refuse();
    /// Waits for those at work.
    void join();
    /// Has the thread that sees to those that wait look again.
    void wake();

    /// For a wait on a thread that may run one.
    /// @throws RetryError when that has been cancelled, or the thread's stop flag says so
    static void throw_if_cancelled();

  private:
    struct Queue {
        explicit Queue(std::size_t most) : at_once(most) {}

        const std::size_t at_once;
        std::mutex mutex;
        std::condition_variable changed;
        std::deque<std::shared_ptr<AsyncCall>> waiting;
        std::size_t at_work = 0;
        std::size_t idle = 0;  ///< threads that wait here
        bool closed = false;
    };
    static void serve(Queue& queue);
    static void drop_ended(Queue& queue, std::unique_lock<std::mutex>& lock);
    void add_thread();

    std::shared_ptr<Queue> queue_;
    std::vector<std::thread> threads_;  ///< with the queue's mutex held
};

}  // namespace tr::session
