#pragma once

#include <memory>
#include <optional>
#include <string>

#include "platform/deadline.h"

namespace tr::platform {

/// This side's end of a connection to a child process, which carries lines of text both ways.
class LineSocket {
  public:
    virtual ~LineSocket() = default;
    /// The descriptor that the child inherits, until close_child_end().
    virtual int child_end() const = 0;
    virtual void close_child_end() = 0;
    /// @throws std::system_error when the other side is gone
    virtual void send_line(const std::string& line) = 0;
    /// @returns nothing when the other side is gone, or the deadline passed
    virtual std::optional<std::string> receive_line(Deadline deadline) = 0;

    /// @returns nothing where the system has no such thing
    static std::unique_ptr<LineSocket> open();
};

}  // namespace tr::platform
