#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tech_renaissance/channel/wake_up.h"
#include "tech_renaissance/export.h"
#include "tech_renaissance/worker/limit.h"

namespace tr {

struct SessionEvent;

enum class LogLevel { debug, info, warning, error };

/// "debug", "info", "warning", "error".
TR_API std::string to_string(LogLevel level);

/// What a session does by itself about a worker that has died. By default nothing: the caller calls restart().
///
/// With `attempts`, a call that finds the worker dead starts another one first. A call whose worker dies under it is
/// repeated, tensors and all, when its request was not run, or its command is idempotent; otherwise it ends with a
/// RestartError at once, and the next call starts the worker. That holds for calls that are a whole turn (fetch_*,
/// calculate*). A stream, and a request of send_request(), are not repeated, but find a worker. The call's time limit
/// holds for all of it. After terminate() or please_exit() nothing is started: that worker was ended on purpose.
///
/// A session directory that has been removed is like a death: such a call ends the worker that may be left, and starts
/// another in a new directory. What was sent by hand (send_tensor()) is gone with the old one.
struct TR_API RestartPolicy {
    /// How many workers one call may start; 0 turns all of this off.
    int attempts = 0;
    /// The first start is at once. When no request has been answered since the last one, the next comes so much later
    /// than that, milliseconds; twice as much each time, up to `max_backoff_ms`.
    std::int64_t backoff_ms = 100;
    std::int64_t max_backoff_ms = 5'000;
    /// Commands that may be run twice; "*" stands for all. One whose server writes to its inputs is not among them,
    /// where these are shared memory (empty()), or were sent by hand.
    std::vector<std::string> idempotent;
    /// A request that was at work in this many deaths, and was never answered in between, is refused with an InputError
    /// (E1003) from then on, until clear_quarantine(). It is told by its text, and the dtypes and shapes of the tensors
    /// of calculate(). Of several in flight each counts, as nobody can tell which it was. 0: never.
    int quarantine_after = 3;
};

/// What a session is started with. A plain value; every field has a default that works.
struct TR_API SessionOptions {
    /// A Python file, or "default" for the server that comes with the library.
    std::string script = "default";
    /// A Python module to run as `python -m`; when set, `script` is not looked at.
    std::string module;
    /// Arguments to the script or module, as it finds them in sys.argv[1:]: {"--weights", "model.pt"}.
    std::vector<std::string> arguments;
    /// Name of the session: a tag ([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}); while another live session of the workspace has
    /// it, start() is a RetryError (E4001). Empty: "default" where that is free when the session starts, else a unique
    /// one; the log tells.
    std::string session_id;
    /// Where session directories live. Empty: $TR_WORKSPACE, else a per-user folder on tmpfs, else in the temporary
    /// directory.
    std::string workspace;
    /// The worker's interpreter: a path or a name on $PATH. Empty: $TR_PYTHON, $VIRTUAL_ENV, $CONDA_PREFIX, python3.
    std::string python;
    /// Added to the worker's environment, over what it inherits.
    std::map<std::string, std::string> environment;
    /// Variables that the worker does not inherit, such as a PYTHONHOME that is meant for an interpreter in this
    /// program.
    std::vector<std::string> removed_environment;
    /// A program and its arguments that run the interpreter: {"numactl", "-N0"}, {"py-spy", "record", "-o", "x", "--"}.
    /// The program is a path or a name on $PATH; with it the worker is not forked from a template. What it prints is in
    /// the worker's log.
    std::vector<std::string> launcher;
    /// Arguments to the interpreter, before the script: {"-X", "dev"}. Not with a template either.
    std::vector<std::string> python_arguments;
    /// A port on this machine where a debugger can attach to the running worker (the package debugpy, which has to be
    /// installed there); 0: none. Not with a template either. Anybody on the machine who can connect to it is let in.
    int debug_port = 0;
    /// Working directory of the worker. Empty: that of this process.
    std::string working_directory;
    /// How long a worker may take until it is ready; 0: for ever.
    Limit start_timeout_ms = 60'000;
    /// The limit of every call that is given none; 0: for ever.
    Limit default_timeout_ms = 60'000;
    /// Forces one tier on both sides; `automatic` also reads $TR_WAKEUP.
    WakeUp wake_up = WakeUp::automatic;
    /// For how long, at most, a wait of either side looks for news with the core yielded to others between the looks,
    /// before it sleeps, microseconds: a thread that sleeps on another core takes some 40 us to wake. Negative: as long
    /// as it pays, or what $TR_BUSY_WAIT_US says; 0: never; at most 10 ms. Only with the mailbox. A session that is
    /// idle uses no processor time in any case.
    std::int64_t busy_wait_us = -1;
    /// Forks the worker from a template that has imported `preload` already, where the system can do that (Linux):
    /// ready in tens of milliseconds, but for the first such session of a program, which waits for the template. Where
    /// it cannot be done, or not within the limit of the call, the worker is started as ever, and stats().start tells
    /// why. The template lives as long as the program. Not for servers that need the main module's file run by a fresh
    /// interpreter.
    bool quick_start = false;
    /// Modules of the template.
    std::vector<std::string> preload = {"torch"};
    /// How many requests may be in flight at the same time: calls of different threads, and calculate_async(). Each
    /// has a channel of its own in the one worker, 140 kB of the workspace. Whether they run side by side is the
    /// server's to say: one with an `async def main_logic`, or with `threads`, runs them so, any other one after the
    /// other. Tensors sent by hand are found by all of them.
    int max_ongoing_requests = 1;
    /// Starts workers in place of dead ones.
    RestartPolicy restart;
    /// Gets each log line, by one thread at a time, mostly the one that causes it. What it throws goes no further. It
    /// may ask the session (stats()) and terminate() its worker; calls that start one or wait for one, such as
    /// restart() and requests, are an InputError in it. Not set: standard error, unless `quiet`.
    std::function<void(LogLevel, const std::string&)> log;
    /// Gets each event, on the thread that causes it, with no lock held: keep it short. What it throws goes no further,
    /// and it may not call what starts a worker or waits for one.
    std::function<void(const SessionEvent&)> observer;
    /// No log lines on standard error.
    bool quiet = false;
    /// Each failure is kept in a directory of its own, the last 16 of a session: request, tensors, log, and what this
    /// side knows. `python -m tech_renaissance replay <directory>` repeats it; stats().kept says where. Failures then
    /// cost a copy of the tensors of calculate(), successes nothing.
    bool keep_on_failure = false;
};

}  // namespace tr
