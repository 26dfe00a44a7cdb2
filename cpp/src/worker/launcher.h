#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "channel/channel.h"
#include "platform/deadline.h"
#include "tech_renaissance/worker/session_options.h"
#include "worker/log.h"
#include "worker/session_name.h"
#include "worker/worker.h"

namespace tr::worker {

/// A way to get a worker, again and again: each has another epoch. It knows nothing of requests. One thread at a time,
/// but for check().
class Launcher {
  public:
    virtual ~Launcher() = default;
    /// Finds what is wrong without starting anything.
    /// @throws InputError, RestartError
    virtual void check() const = 0;
    /// Puts the first channel into its directory where it is in none, and removes what an earlier worker has left
    /// there.
    virtual void prepare(channel::Channel& first) = 0;
    /// @param limit for what has to be waited for before there is a process
    /// @param check called now and then meanwhile; what it throws ends the wait
    /// @throws RestartError when there is none; std::system_error
    virtual std::shared_ptr<Worker> launch(channel::Channel& first, platform::Deadline limit,
                                           const std::function<void()>& check) = 0;
    /// Waits for what came up beside the worker.
    virtual void confirm() = 0;
    /// Of the worker's session, where its further channels are; empty before prepare(). Any thread.
    virtual std::string session_directory() const = 0;
    virtual std::uint64_t epoch() const = 0;
    /// The command line of the worker started last, or tried last; empty where it is not this program's to start.
    virtual std::vector<std::string> command_line() const { return {}; }

    /// Starts a process of this program's: spawned, or forked from a template.
    /// @param name which it may make unique in prepare()
    static std::unique_ptr<Launcher> of_own(const SessionOptions& options, SessionName& name, SessionLog& log);
    /// Attaches to the worker that another program of this user runs in the session of this id.
    static std::unique_ptr<Launcher> attached(const SessionOptions& options, const std::string& session_id,
                                              SessionLog& log);
};

/// What one more channel of a worker is made with.
struct Further {
    std::string session_directory;
    std::string session_id;
    std::string tags_of;  ///< of the channel of this host whose tensors its requests may name as well
    bool has_tags_of = false;
    std::uint64_t epoch = 0;
    WakeUp wake_up = WakeUp::automatic;
    std::int64_t busy_wait_us = 0;
    std::shared_ptr<channel::Mailbox> first;  ///< of the worker's first channel; empty where that uses files
};

/// Makes the channel's directory, with what the worker looks for in it, and tells the worker, which takes it up by
/// itself.
/// @returns the name of the channel
std::string open_further(channel::Channel& channel, const Further& further);

/// The tier that the options and $TR_WAKEUP ask for.
WakeUp effective_wake_up(const SessionOptions& options);
/// What the options and $TR_BUSY_WAIT_US ask for.
/// @throws InputError where the latter is no number
std::int64_t effective_busy_wait(const SessionOptions& options);

}  // namespace tr::worker
