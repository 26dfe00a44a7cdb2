#pragma once

#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "platform/process.h"

namespace tr::platform {

/// Keeps the program's signals from this thread, and from those that it starts, for as long as it lives. Not those of a
/// fault: who blocks them dies of one, also where a handler would deal with it (mapping_guard.h).
class SignalsBlocked {
  public:
    SignalsBlocked() {
        sigset_t all;
        ::sigfillset(&all);
        for (const int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL}) ::sigdelset(&all, fault);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  private:
    sigset_t before_{};
};

/// POSIX: a process that a thread of this object waits for. What the ways of starting one have in common.
class WatchedProcess : public Process {
  public:
    std::int64_t pid() const override { return pid_; }

    std::optional<ExitStatus> status() const override {
        const std::lock_guard<std::mutex> lock(mutex_);
        return status_;
    }

    bool alive() const override { return !ended_.load(std::memory_order_acquire); }

    bool wait(Deadline deadline) override {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto ended = [this] { return status_.has_value(); };
        if (deadline.is_never()) {
            changed_.wait(lock, ended);
            return true;
        }
        return changed_.wait_until(lock, deadline.when(), ended);
    }

    void terminate() override {
        send(SIGTERM);
        send(SIGCONT);  // one that is stopped would not hear of it
    }
    void kill() override { send(SIGKILL); }

  protected:
    explicit WatchedProcess(std::function<void()> on_exit) : on_exit_(std::move(on_exit)) {}

    /// Starts the thread; signals of the program are for its own threads.
    void watch(std::function<void()> body) {
        const SignalsBlocked blocked;
        watcher_ = std::thread(std::move(body));
    }

    /// For destructors, before any member is gone.
    void end() {
        if (owner_ == ::getpid()) {
            kill();
            watcher_.join();
        } else {
            watcher_.detach();  // in a fork of the program: neither the thread nor the process is ours
        }
    }

    /// On the thread, when the process has ended and is not reaped yet: until it is, its number is its own.
    /// @param reap may take its time: nobody waits for it but who waits for the end
    void finish(const std::function<ExitStatus()>& reap) {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            ::kill(-pid_, SIGKILL);  // what the process started and left behind
            ending_ = true;
        }
        const ExitStatus status = reap();
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            status_ = status;
            ended_.store(true, std::memory_order_release);
            changed_.notify_all();
        }
        on_exit_();
    }

    pid_t pid_ = -1;
    std::thread watcher_;
    std::mutex mutable mutex_;
    std::condition_variable changed_;

  private:
    void send(int number) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!ending_) ::kill(-pid_, number);
    }

    const pid_t owner_ = ::getpid();
    std::function<void()> on_exit_;
    bool ending_ = false;  ///< it is about to be reaped: from here on its number may be another process's
    std::optional<ExitStatus> status_;
    std::atomic<bool> ended_{false};  ///< there is a status; for alive(), which every call asks
};

}  // namespace tr::platform
