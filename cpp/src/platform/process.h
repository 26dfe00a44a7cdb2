#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "platform/deadline.h"

namespace tr::platform {

struct SpawnOptions {
    std::vector<std::string> argv;         ///< argv[0] is the path of the program; no search, no shell
    std::vector<std::string> environment;  ///< the whole of it, "NAME=value"
    std::string working_directory;         ///< empty: that of this process
    std::string output_path;               ///< receives standard output and error, appended; mode 0600
    int input = -1;                        ///< POSIX: descriptor that becomes standard input; else that is empty
    bool detached = false;                 ///< POSIX: it sees this process end, and ignores SIGINT, SIGTERM and SIGHUP
};

struct ExitStatus {
    bool known = true;        ///< false when somebody else reaped the process
    int code = 0;             ///< exit code, where it ended by itself
    int signal = 0;           ///< signal number, where one ended it
    bool foreign = false;     ///< it is no process of this program's, so how it ended cannot be told
    bool over_limit = false;  ///< the signal is the system's for a process over its CPU or file limit

    /// "exited with code 3", "was killed by signal 9 (SIGKILL; ...)".
    std::string describe() const;
};

/// A child process in a process group of its own, which does not outlive this process.
///
/// A thread of the object spawns it and waits for its end, so death is noticed the moment it happens. The methods may
/// be called from any thread; the destructor kills what still runs.
class Process {
  public:
    /// @param on_exit called once, on the object's thread, when the process has ended and has been reaped
    /// @throws std::system_error when the program cannot be run; its text says which step failed
    static std::unique_ptr<Process> spawn(const SpawnOptions& options, std::function<void()> on_exit);
    /// Whether the system can watch a process that another child of this program has forked.
    static bool can_adopt();
    /// Such a process, alive or dead but not reaped, and leader of its group.
    /// @param reap has its parent reap it and tells its status; called once, on the object's thread, when it has ended
    /// @throws std::system_error when it cannot be watched; it has been killed and reaped then
    static std::unique_ptr<Process> adopt(std::int64_t pid, std::function<ExitStatus()> reap,
                                          std::function<void()> on_exit);
    /// A process of another program's, alive: its end is noticed, and nothing is done to it. kill() and terminate() let
    /// go of it: it counts as ended from then on.
    /// @throws std::system_error when it cannot be watched
    static std::unique_ptr<Process> observe(std::int64_t pid, std::function<void()> on_exit);
    /// From the status that the system gives a parent.
    static ExitStatus decode_status(int raw);

    virtual ~Process() = default;
    virtual std::int64_t pid() const = 0;
    /// Empty while the process runs.
    virtual std::optional<ExitStatus> status() const = 0;
    /// @returns false when the deadline passed first
    virtual bool wait(Deadline deadline) = 0;
    /// Asks the whole process group to end (SIGTERM); nothing when it has ended.
    virtual void terminate() = 0;
    /// Ends the whole process group (SIGKILL); nothing when it has ended.
    virtual void kill() = 0;

    virtual bool alive() const { return !status().has_value(); }
};

}  // namespace tr::platform
