#pragma once

#include <optional>
#include <string>

#include "platform/deadline.h"

namespace tr::channel {

/// Moves requests to the worker and responses back, as the text of the messages in docs/protocol.md, and waits.
///
/// One thread at a time may use it, but for wake(), name(), tier() and response_pending(). A wait is a hint: whoever it
/// wakes looks again.
class Carrier {
  public:
    virtual ~Carrier() = default;
    /// The worker keeps to the rules of this version of the protocol: an older one needs more care.
    virtual void trust() {}
    /// "files" or "mailbox".
    virtual const char* name() const = 0;
    /// What wakes this side, for stats().
    virtual const char* tier() const = 0;

    /// The worker still has to take the request before.
    virtual bool request_pending() const = 0;
    virtual void publish(const std::string& request) = 0;
    virtual bool response_pending() const = 0;
    /// The response that lies ready; nothing when there is none.
    /// @throws InputError when it is there and cannot be read
    virtual std::optional<std::string> take() = 0;
    /// The response taken last is done with, and the tensors that it names are held: from here on the worker may write
    /// its next one, and tensors under the same tags.
    virtual void acknowledge() = 0;
    /// Has a worker that streams look whether there is room for its next response, or the stream was cancelled.
    virtual void ring_worker() = 0;

    /// To be called before looking for news, so that news which comes after the look ends the wait.
    virtual void prepare() = 0;
    /// Blocks until there may be something new, wake() was called, a signal came, or the deadline passed.
    virtual void wait(platform::Deadline deadline) = 0;
    /// Ends the wait under way, or the next one; any thread.
    virtual void wake() = 0;
    /// An exchange begins: what adapts is eager again.
    virtual void expect() = 0;
};

}  // namespace tr::channel
