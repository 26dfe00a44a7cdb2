#pragma once

#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "channel/channel.h"
#include "protocol/failure_record.h"
#include "tech_renaissance/session/python_session.h"
#include "worker/log.h"
#include "worker/session_name.h"
#include "worker/worker.h"

namespace tr::session {

/// With keep_on_failure: puts a failure's request, tensors, log and what the host knows into a directory of its own.
/// Any thread.
class PostMortem {
  public:
    PostMortem(const SessionOptions& options, const SessionName& name, SessionLog& log)
        : options_(options), name_(name), log_(log) {}

    bool wanted() const { return options_.keep_on_failure; }
    /// To be called by who holds the channel, when a request has failed and nothing of it has been overwritten yet.
    /// Never throws: the failure itself is what the caller is to hear of.
    /// @param worker none when no process came of a start: what is there of one before has been kept at its end
    /// @param command_line of the worker, also of one that could not be started
    /// @param stats what else is known of the session
    void keep(const std::exception_ptr& error, const channel::Channel& channel, const std::string& session_directory,
              const worker::Worker* worker, const std::vector<std::string>& command_line, const SessionStats& stats);
    /// Where the last one is; empty when there is none.
    std::string last() const;

  private:
    protocol::FailureRecord describe(const std::exception_ptr& error, const channel::Request* request,
                                     const worker::Worker* worker, const SessionStats& stats) const;

    const SessionOptions& options_;
    const SessionName& name_;
    SessionLog& log_;
    mutable std::mutex mutex_;
    std::deque<std::string> kept_;
};

}  // namespace tr::session
