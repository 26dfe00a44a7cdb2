#pragma once

#include <memory>
#include <string>

#include "platform/deadline.h"
#include "tech_renaissance/channel/wake_up.h"

namespace tr::channel {

/// How the host learns that the worker may have written something. A hint: who is woken looks at the files.
class Doorbell {
  public:
    virtual ~Doorbell() = default;
    /// Name of the tier, for stats().
    virtual const char* tier() const = 0;
    /// Blocks until there may be something to see, wake() was called, a signal came, or the deadline passed.
    virtual void wait(platform::Deadline deadline) = 0;
    /// Ends the wait under way, or the next one; any thread.
    virtual void wake() = 0;
    /// From here on only a file of this name is waited for, where the doorbell can tell.
    virtual void only(const std::string&) {}
    /// A new exchange begins: an adaptive doorbell is eager again.
    virtual void expect() {}
};

/// @param fallback receives why a better tier than the one returned is not in use
/// @throws InputError when `wake_up` forces a tier that does not work here
std::unique_ptr<Doorbell> open_doorbell(WakeUp wake_up, const std::string& directory, std::string& fallback);

}  // namespace tr::channel
