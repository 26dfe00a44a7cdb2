// What a session knows of the state of its worker, and tells in stats() and in its exceptions.
#include <system_error>

#include "carrier/place_error.h"
#include "platform/file.h"
#include "platform/host.h"
#include "platform/mapping_guard.h"
#include "platform/ping.h"
#include "protocol/names.h"
#include "session/recovery.h"
#include "session/session_impl.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

using platform::Deadline;

std::int64_t milliseconds_since(Deadline::Clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Deadline::Clock::now() - start).count();
}

/// What a server has put into status.txt itself; empty when it is only what every worker writes there.
std::string progress_in(const std::string& path) {
    constexpr std::size_t kMostBytes = 4096;
    try {
        const std::string text = platform::read_file(path, kMostBytes).value_or("");
        for (const char* usual : {"ready", "busy", "ok", "exiting", "error: "})
            if (text.rfind(usual, 0) == 0 && (text == usual || usual[0] == 'e')) return {};
        return text;
    } catch (const std::system_error&) {
        return {};
    }
}

}  // namespace

/// @returns silent also when others have asked all the while
platform::Ping PythonSession::Impl::ask_ping(const std::string& directory, Deadline until,
                                             const std::function<bool()>& enough) const {
    const std::unique_lock<TimedMutex> lock(ping_mutex_, until.when());
    return lock ? platform::ask_ping(directory, ++pings_, until, enough) : platform::Ping::silent;
}

PythonSession::Impl::Health PythonSession::Impl::examine(Deadline limit) const {
    Health health;
    std::shared_ptr<platform::Process> process;
    std::string directory;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        process = process_;
        if (!process) return health;
        directory = directory_->path();
        const bool ready = hello_ || older_worker_ || status_is_of_a_server();
        const bool busy = in_flight_ && !carrier_->response_pending();
        if (busy) health.busy_ms = milliseconds_since(in_flight_->sent);
        health.state = !ready ? "starting" : busy ? "busy" : "ready";
        if (busy) health.progress = progress_in(directory_->file(protocol::kStatusFile));
    }
    if (!process->alive()) {
        health = {};
        health.state = "dead";
    } else if (platform::process_is_stopped(process->pid())) {
        health.state = "stopped";
    } else if (health.state != "ready") {
        const auto answered = [this] {
            const std::lock_guard<std::mutex> lock(state_mutex_);
            return in_flight_ && carrier_->response_pending();
        };
        const auto begin = Deadline::Clock::now();
        const Deadline until = Deadline::at(begin + kSignOfLife).sooner(limit);
        const auto ping = ask_ping(directory, until, [&] { return !process->alive() || answered(); });
        if (!process->alive())
            health.state = "dead";
        else if (answered())
            health.state = "ready";
        else if (ping == platform::Ping::answered)
            health.interpreter_runs = true;
        else if (ping == platform::Ping::silent && Deadline::Clock::now() - begin >= kSignOfLife / 2)
            health.state = "wedged";
        else if (ping == platform::Ping::silent)
            health.silent_ms = milliseconds_since(begin);
    }
    return health;
}

SessionStats PythonSession::Impl::stats() const {
    const Health health = examine(Deadline::never());
    const std::lock_guard<std::mutex> lock(state_mutex_);
    SessionStats stats = stats_;
    stats.worker_state = health.state;
    stats.busy_ms = health.busy_ms;
    stats.progress = health.progress;
    for (const auto& [identity, count] : deaths_)
        if (count >= options_.restart.quarantine_after) stats.quarantined.push_back(identity);
    return stats;
}

/// Looked at only when a worker has died before it was ready, which is how an interpreter that is too old shows.
std::string PythonSession::Impl::why_unfit() const {
    Choice interpreter;
    std::string scratch;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        if (hello_ || older_worker_) return {};
        interpreter = interpreter_;
        scratch = directory_->file(".tmp-version");
    }
    return tr::why_unfit(interpreter, scratch);
}

/// The worker has, or may have, seen the request in flight. With state_mutex_ held.
bool PythonSession::Impl::request_was_taken() const {
    // A worker says hello before it looks for requests. Only the mailbox tells whether it has found one since.
    return in_flight_ && (hello_ || older_worker_) && (carrier_ != mailbox_carrier_ || !carrier_->request_pending());
}

/// Of the request in flight that a worker was at work on, for messages.
std::string PythonSession::Impl::effect() const {
    return is_idempotent(in_flight_->command)
               ? "; '" + in_flight_->command + "' is declared idempotent: it may be sent again"
               : "; whether the request had an effect cannot be told";
}

/// What to throw when the worker is found dead.
RestartError PythonSession::Impl::death() {
    const std::string unfit = why_unfit();
    const std::lock_guard<std::mutex> lock(state_mutex_);
    const auto status = process_->status();
    std::string message = "the worker of session '" + session_id_ + "' (pid " + std::to_string(process_->pid()) + ") " +
                          status->describe();
    const bool taken = request_was_taken();
    if (!hello_ && !older_worker_)
        message += " before it was ready: " + command_;
    else if (in_flight_)
        message += (taken ? " while it was at work on request " : " before it took request ") +
                   std::to_string(in_flight_->id) + " '" + in_flight_->command + "'";
    else
        message += stopped_ ? ", as please_exit() or terminate() ended it on purpose" : " while it was idle";

    const bool banned = taken && count_death();
    bool may_retry = true;
    if (unsent_) {
        message += "; the new request was not sent: it may be sent again";
    } else if (in_flight_ && !taken) {
        message += "; the request was not run: it may be sent again";
    } else if (banned) {
        message += "; it has ended " + workers(deaths_[in_flight_->identity]) +
                   " and is refused from now on, until clear_quarantine()";
        may_retry = false;
    } else if (in_flight_) {
        message += effect();
        may_retry = is_idempotent(in_flight_->command);
    } else {
        may_retry = hello_ || older_worker_;  // a worker that never came is no reason to try again
    }
    if (in_flight_ && is_this_thread(in_flight_->owner)) in_flight_->told = true;
    if (!unfit.empty()) return RestartError("cannot start a worker: " + unfit);
    if (!directory_->is_there())
        return RestartError(
            message + "; its directory '" + directory_->path() + "' has been removed; start() makes a new one",
            ErrorCode::server_error, may_retry);
    if ((hello_ || older_worker_) && restarts_ == 0)
        message +=
            recovers() && !stopped_ ? "; the next call starts another worker" : "; restart() starts another worker";
    constexpr std::size_t kLogBytes = 4096;
    const std::string tail = platform::read_tail(directory_->file(protocol::kLogFile), kLogBytes, log_start_);
    message += carrier::fullness(directory_->path());
    message += tail.empty() ? "; it wrote nothing to its log" : "; the end of its log:\n" + tail;
    if (!hello_ && !older_worker_ && status->known && status->signal == 0 && status->code == 0)
        message += "; it came to its end without serving: a server script ends with MyServer().run()";
    return RestartError(message, status->over_limit ? ErrorCode::quota_exhausted : ErrorCode::server_error, may_retry);
}

/// With a worker that shortens files which are mapped, nothing that lies in them can be relied on: it is killed.
std::optional<RestartError> PythonSession::Impl::damage() {
    if (!platform::any_damage()) return std::nullopt;
    std::string file;
    std::shared_ptr<platform::Process> process;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        if (!directory_) return std::nullopt;
        file = platform::take_damage(directory_->path());
        process = process_;
    }
    if (file.empty()) return std::nullopt;
    if (process) {
        process->kill();
        process->wait(Deadline::never());
    }
    return RestartError("'" + file + "' of session '" + session_id_ +
                        "' was cut short while it was mapped: expected that nobody shortens the files of a session; "
                        "what was lost reads as zeros. The worker has been killed: look for what touches its "
                        "directory, and start() again");
}

void PythonSession::Impl::throw_if_damaged() {
    if (const auto error = damage()) fail(*error);
}

/// @param of_start the limit that has passed is not the call's, but that of the worker's start
TimeoutError PythonSession::Impl::timeout(const char* purpose, const Health& health, bool of_start) const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    const std::string passed =
        of_start ? "SessionOptions::start_timeout_ms, " + std::to_string(options_.start_timeout_ms) + " ms, passed"
                 : "the time limit passed";
    std::string message = passed + " while waiting " + purpose + " in session '" + session_id_ + "': the worker (pid " +
                          std::to_string(process_->pid()) + ") is ";
    if (!hello_ && !older_worker_)
        message += "not ready yet";
    else if (in_flight_)
        message += "at work on request " + std::to_string(in_flight_->id) + " '" + in_flight_->command + "' since " +
                   std::to_string(milliseconds_since(in_flight_->sent)) + " ms";
    else
        message += "alive and idle";
    if (!health.progress.empty()) message += ", its status is '" + health.progress + "'";
    if (health.state == "wedged")
        message +=
            "; its interpreter does not run: native code keeps it from it (holds the GIL), or the machine is "
            "very busy; it may never come back: restart() ends it";
    else if (health.state == "stopped")
        message += "; the process is stopped, by a signal (SIGSTOP) or a debugger: continue it with SIGCONT";
    else if (of_start)
        message += "; its imports and on_start may take longer than that: raise start_timeout_ms, and restart()";
    else if (health.silent_ms)
        message += "; it gave no sign of life in the " + std::to_string(*health.silent_ms) +
                   " ms that the limit left for one: stats() waits longer for it, and tells slow from wedged";
    else
        message += health.interpreter_runs ? "; its interpreter runs, so it is merely slow: give it longer"
                                           : "; give it longer";
    return TimeoutError(message + ", or see '" + directory_->file(protocol::kLogFile) + "'");
}

}  // namespace tr
