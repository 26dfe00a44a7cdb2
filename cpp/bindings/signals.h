#pragma once

namespace tr::python {

/// Called by the library while it waits: lets Python run its signal handlers, so that Ctrl-C ends the wait. Without
/// the GIL.
void check_signals();

/// While one is alive on a thread, check_signals() does nothing there: an exception could go nowhere.
class Uninterrupted {
  public:
    Uninterrupted();
    ~Uninterrupted();
    Uninterrupted(const Uninterrupted&) = delete;
    Uninterrupted& operator=(const Uninterrupted&) = delete;

  private:
    bool outer_;
};

}  // namespace tr::python
