#pragma once

#include <memory>
#include <string>

#include "platform/deadline.h"

namespace tr::platform {

/// Tells when a file has appeared in, or gone from, a directory.
class DirectoryWatch {
  public:
    virtual ~DirectoryWatch() = default;
    /// Blocks until something has happened since the last call, wake() was called, a signal came, or the deadline
    /// passed.
    virtual void wait(Deadline deadline) = 0;
    /// Ends the wait under way, or the next one; any thread.
    virtual void wake() = 0;
    /// From here on only a file that appears under this name ends a wait.
    virtual void only(const std::string& name) = 0;

    /// Sets the watch up and proves it by an event of its own, as some mounts accept a watch and never tell anything.
    /// @returns nothing when this system or this directory has none; `reason` then says why
    static std::unique_ptr<DirectoryWatch> open(const std::string& directory, std::string& reason);
};

}  // namespace tr::platform
