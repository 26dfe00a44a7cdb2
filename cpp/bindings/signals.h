#pragma once

#include <atomic>
#include <functional>
#include <utility>

namespace tr::python {

/// Called by the library while it waits: lets Python run its signal handlers, so that Ctrl-C ends the wait. Without
/// the GIL.
void check_signals();

/// Ends the calls of a session or pool that are made on the thread that has entered it, as Ctrl-C ends those of the
/// main thread. It must not outlive that; one thread at a time may have entered it, and leaves it before it goes.
class Interruption {
  public:
    /// @param wake has waits looked at again; may throw InputError
    explicit Interruption(std::function<void()> wake) : wake_(std::move(wake)) {}

    void enter();
    void leave();
    /// On any thread, and for good. Waits for nothing.
    void stop();

  private:
    const std::function<void()> wake_;
    std::atomic<bool> stopped_{false};
};

/// While one is alive on a thread, nothing ends a wait there: an exception could go nowhere.
class Uninterrupted {
  public:
    Uninterrupted();
    ~Uninterrupted();
    Uninterrupted(const Uninterrupted&) = delete;
    Uninterrupted& operator=(const Uninterrupted&) = delete;

  private:
    bool outer_;
    const std::atomic<bool>* outer_flag_;
};

}  // namespace tr::python
