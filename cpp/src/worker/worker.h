#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "channel/carrier.h"
#include "platform/deadline.h"
#include "platform/ping.h"
#include "platform/process.h"
#include "platform/timed_mutex.h"
#include "worker/launch_plan.h"

namespace tr::worker {

enum class State {
    starting,  ///< its process runs, and it has not said yet that it takes requests
    ready,
    leaving,  ///< it has said that it will serve no more
    ended,
};

/// What was decided as a worker was started, and what was seen then.
struct Launched {
    std::uint64_t epoch = 0;
    std::string command;  ///< with the reason for its interpreter, for messages
    std::vector<std::string> argv;
    std::string script;  ///< empty for a module
    std::vector<std::string> environment;
    Choice interpreter;
    std::string start;      ///< "plain", "template", "attached"; with a reason behind it where it was to be another
    std::string directory;  ///< of its session
    std::uint64_t log_start = 0;                             ///< where in the log its lines begin
    platform::Deadline limit = platform::Deadline::never();  ///< for it to be ready
    std::int64_t owner = 0;  ///< the program that started it, where that is another one; else 0
};

/// Those who wait for something of a worker's: its end wakes them.
class Waiting {
  public:
    void add(const std::shared_ptr<channel::Carrier>& carrier);
    void add(std::function<void()> then);
    void wake_all();

  private:
    std::mutex mutex_;
    bool ended_ = false;
    std::vector<std::weak_ptr<channel::Carrier>> carriers_;
    std::vector<std::function<void()>> others_;
};

/// One process, from its start to its end: how it was launched, how it is, how it ended. Any thread.
class Worker {
  public:
    Worker(Launched launched, std::shared_ptr<platform::Process> process, std::shared_ptr<Waiting> waiting)
        : launched_(std::move(launched)), process_(std::move(process)), waiting_(std::move(waiting)) {}

    const Launched& launched() const { return launched_; }
    std::uint64_t epoch() const { return launched_.epoch; }
    std::int64_t pid() const { return process_->pid(); }
    bool alive() const { return process_->alive(); }
    /// This program's to end; not one that it is only attached to.
    bool is_ours() const { return launched_.owner == 0; }
    State state() const { return alive() ? state_.load(std::memory_order_acquire) : State::ended; }
    /// It said once that it takes requests.
    bool was_ready() const { return state_.load(std::memory_order_acquire) != State::starting; }
    void says_ready();
    /// @returns whether it has; false when the deadline passed first, and maybe when it has ended
    bool wait_until_ready(platform::Deadline deadline) const;
    void says_leaving() { state_.store(State::leaving, std::memory_order_release); }

    std::optional<platform::ExitStatus> status() const { return process_->status(); }
    bool wait(platform::Deadline deadline) const { return process_->wait(deadline); }
    platform::Process& process() const { return *process_; }
    /// Its end is to wake who waits with these.
    void wake_at_end(const std::vector<std::shared_ptr<channel::Carrier>>& carriers) const;
    /// Has this called at its end, on the thread that notices it; at once where it has ended.
    void at_end(std::function<void()> then) const { waiting_->add(std::move(then)); }

    /// Asks for a sign of life; one asks at a time.
    /// @returns silent also when others have asked all the while, unknown of a worker that is not ours
    platform::Ping ask(platform::Deadline until, const std::function<bool()>& enough) const;

  private:
    const Launched launched_;
    const std::shared_ptr<platform::Process> process_;
    const std::shared_ptr<Waiting> waiting_;
    std::atomic<State> state_{State::starting};
    mutable std::mutex ready_mutex_;
    mutable std::condition_variable ready_;
    mutable TimedMutex ping_mutex_;
    mutable std::uint32_t pings_ = 0;
};

}  // namespace tr::worker
