#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "service/worker_environment.h"
#include "session/supervisor.h"
#include "tech_renaissance/session/python_session.h"

namespace tr::service {

/// Tells a pool of a worker's end, as long as there is somebody to be told: it may come at any time, on the thread that
/// sees to the process.
class EndBell {
  public:
    void ring(std::uint64_t generation) {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (hear_) hear_(generation);
    }
    /// Nothing set: nobody hears it any more.
    void set(std::function<void(std::uint64_t)> hear) {
        const std::lock_guard<std::mutex> lock(mutex_);
        hear_ = std::move(hear);
    }

  private:
    std::mutex mutex_;
    std::function<void(std::uint64_t)> hear_;
};

/// A place for a worker in a pool: a session, and what is known of it. Streams keep it when the pool has gone.
///
/// What stands below `state` is under the mutex of the pool.
struct Slot {
    enum class State {
        stopped,
        starting,  ///< its thread starts a worker, in place of a dead one or an old one too
        serving,
        leaving,  ///< takes no more calls; its thread waits for those at work
        failed,   ///< no worker could be started
    };

    Slot(int its_number, const SessionOptions& options, const RestartPolicy& policy, Share its_share)
        : number(its_number),
          share(std::move(its_share)),
          most(options.max_ongoing_requests),
          session(options),
          supervisor(policy) {}

    const int number;
    const Share share;
    const int most;  ///< calls at a time
    PythonSession session;
    session::Supervisor supervisor;  ///< for its back-off
    const std::shared_ptr<EndBell> bell = std::make_shared<EndBell>();
    std::atomic<bool> stop{false};  ///< its thread is to end, and whatever it waits for

    State state = State::stopped;
    bool has_started = false;  ///< a worker is there, or was
    bool replaces = false;     ///< the next one comes in place of one that has died
    bool retires = false;      ///< it leaves the pool for good
    int in_flight = 0;
    bool lingers = false;          ///< its worker may still be at work on a call that was given up
    std::uint64_t generation = 0;  ///< counts the workers that have served
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    std::uint64_t restarts = 0;
    std::exception_ptr error;         ///< why the last start has failed
    std::condition_variable changed;  ///< for its thread
    std::thread thread;
};

}  // namespace tr::service
