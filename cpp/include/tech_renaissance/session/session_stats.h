#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tech_renaissance/export.h"
#include "tech_renaissance/protocol/batch_stats.h"

namespace tr {

/// What a session has done so far and how; a snapshot.
struct TR_API SessionStats {
    std::string carrier;         ///< "files" or "mailbox"
    std::string host_wake_up;    ///< tier on this side, e.g. "inotify"
    std::string worker_wake_up;  ///< tier on the worker's side; empty until it is ready
    std::string
        worker_mailbox;    ///< what the worker reaches shared memory through: "library" (this one) or, slower, "python"
    std::string fallback;  ///< why a better carrier, tier or way to it is not in use; empty when nothing was given up
    std::string start;     ///< "plain" or "template"; with a reason behind it where a quick start was not possible
    std::string file_system;  ///< of the session directory, e.g. "tmpfs"
    std::string python;       ///< the interpreter in use
    std::int64_t worker_pid = 0;
    /// "none" (before start()), "starting", "ready" (idle), "busy" (at work), "stopped" (by SIGSTOP or a debugger), or
    /// "dead". The worker is not asked: whether one that is at work is "wedged", probe() tells.
    std::string worker_state;
    std::int64_t busy_ms = 0;  ///< since the request in flight was sent, the oldest of several; 0 when there is none
    std::string progress;      ///< what the server said last with write_status() in the request in flight
    std::uint64_t epoch = 0;   ///< counts worker starts
    int channels = 0;          ///< how many requests have been in flight at the same time, at most
    /// Requests that are refused because they have ended workers; RestartPolicy::quarantine_after.
    std::vector<std::string> quarantined;
    std::string kept;  ///< where the last failure is kept; SessionOptions::keep_on_failure
    std::uint64_t requests = 0;
    std::uint64_t responses = 0;
    std::uint64_t failures = 0;  ///< error answers, timeouts and deaths among them
    std::uint64_t bytes_sent = 0;
    std::uint64_t bytes_received = 0;
    /// By tensors in the session's directory: memory where that is on tmpfs. What nobody holds any more is given back
    /// when no tensor has been sent for a second: the worker's by itself, this side's with the next answer.
    std::uint64_t bytes_held = 0;
    double last_round_trip_us = 0;  ///< request published to response read, microseconds
    /// Of the worker that there is, by endpoint; none of endpoints without a max_batch_size. It may be a second behind.
    std::map<std::string, BatchStats> batches;
};

/// How a worker is, as it says itself.
struct TR_API WorkerHealth {
    /// As SessionStats::worker_state; or "wedged": alive, but its interpreter does not run, as native code holds the
    /// GIL. One that cannot be asked, such as an older one or another program's, counts as "busy".
    std::string state;
    std::int64_t busy_ms = 0;
    std::string progress;
};

/// A session that some program of this user runs; PythonSession::list().
struct TR_API SessionInfo {
    std::string session_id;
    std::string directory;
    std::int64_t owner_pid = 0;         ///< the program
    std::int64_t worker_pid = 0;        ///< 0 while it is not ready
    std::string server;                 ///< class of the server
    std::vector<std::string> commands;  ///< that it has declared
    bool takes_clients = false;         ///< connect() works
};

}  // namespace tr
