#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tech_renaissance/export.h"

namespace tr {

/// How each side learns that the other has written something; PROTOCOL "Carriers and wake-ups".
enum class WakeUp {
    automatic,  ///< the best that works here
    futex,      ///< mapped mailbox and futex (Linux)
    inotify,    ///< files, Linux file notification
    watchdog,   ///< files; the worker uses Python's watchdog, this side the best it has for files
    polling,    ///< files, looked at every 32 ms to 1024 ms
};

/// "automatic", "futex", ...: the spelling of $TR_WAKEUP and of stats().
TR_API std::string to_string(WakeUp wake_up);
/// @throws InputError for any other word.
TR_API WakeUp wake_up_from_string(const std::string& name);

enum class LogLevel { debug, info, warning, error };

/// "debug", "info", "warning", "error".
TR_API std::string to_string(LogLevel level);

/// What a session is started with. A plain value; every field has a default that works.
struct TR_API SessionOptions {
    /// A Python file, or "default" for the server that comes with the library.
    std::string script = "default";
    /// A Python module to run as `python -m`; when set, `script` is not looked at.
    std::string module;
    /// Name of the session: a tag ([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}). Empty: a unique one is picked.
    std::string session_id;
    /// Where session directories live. Empty: $TR_WORKSPACE, else a per-user folder on tmpfs, else in the temporary
    /// directory.
    std::string workspace;
    /// The worker's interpreter: a path or a name on $PATH. Empty: $TR_PYTHON, $VIRTUAL_ENV, $CONDA_PREFIX, python3.
    std::string python;
    /// Added to the worker's environment, over what it inherits.
    std::map<std::string, std::string> environment;
    /// Working directory of the worker. Empty: that of this process.
    std::string working_directory;
    /// How long a worker may take until it is ready, milliseconds; 0: for ever.
    std::int64_t start_timeout_ms = 60'000;
    /// The limit of every call that is given none, milliseconds; 0: for ever.
    std::int64_t default_timeout_ms = 60'000;
    /// Forces one tier on both sides; `automatic` also reads $TR_WAKEUP.
    WakeUp wake_up = WakeUp::automatic;
    /// Forks the worker from a template that has imported `preload` already, where the system can do that (Linux):
    /// ready in tens of milliseconds, but for the first such session of a program, which waits for the template. Where
    /// it cannot be done the worker is started as ever, and stats().start tells why. The template lives as long as the
    /// program. Not for servers that need the main module's file run by a fresh interpreter.
    bool quick_start = false;
    /// Modules of the template.
    std::vector<std::string> preload = {"torch"};
    /// Gets each log line, on the thread that causes it; called by one thread at a time. Not set: standard error,
    /// unless `quiet`.
    std::function<void(LogLevel, const std::string&)> log;
    /// No log lines on standard error.
    bool quiet = false;
    /// When a request has failed, the session directory is kept for a look instead of being removed.
    bool keep_on_failure = false;
};

}  // namespace tr
