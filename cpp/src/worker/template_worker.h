#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "platform/deadline.h"
#include "platform/process.h"

namespace tr {

/// A Python process that has imported what workers need and forks one on demand: see docs/protocol.md, "Quick starts".
/// One of a kind serves all sessions of this program that ask for the same, for as long as the program runs.
class TemplateWorker {
  public:
    /// What workers of one template have in common.
    struct Kind {
        std::string interpreter;
        std::string package_directory;
        std::vector<std::string> environment;  ///< what a library reads when it is loaded cannot be changed later
        std::vector<std::string> preload;      ///< modules
        std::string log_directory;
    };

    /// The template of this kind, started when there is none; waits until it has imported everything. One that has not
    /// by the deadline goes on, for those who ask later.
    /// @param check called now and then while it waits; what it throws ends the wait
    /// @throws RestartError when it cannot be had, or not in time, which says why
    static std::shared_ptr<TemplateWorker> get(const Kind& kind, platform::Deadline deadline,
                                               const std::function<void()>& check);

    virtual ~TemplateWorker() = default;
    /// A worker that runs the command (its interpreter is the template's) as Process::spawn() would.
    /// @throws RestartError when none can be forked
    virtual std::unique_ptr<platform::Process> fork(const platform::SpawnOptions& options,
                                                    std::function<void()> on_exit) = 0;
};

}  // namespace tr
