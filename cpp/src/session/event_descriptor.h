#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

#include "platform/readable.h"
#include "session/bells.h"

namespace tr::session {

class Core;

/// What event_fd() gives: a descriptor that is readable while something is there to be taken in a session, and a thread
/// that sleeps on the session's bells to see to that. Any thread.
class EventDescriptor {
  public:
    /// @throws std::system_error, InputError
    explicit EventDescriptor(const Core& core);
    ~EventDescriptor();
    EventDescriptor(const EventDescriptor&) = delete;
    EventDescriptor& operator=(const EventDescriptor&) = delete;

    int descriptor() const { return readable_->descriptor(); }
    /// Something may have been taken, or left: makes the descriptor what it is to be, at once. With no lock held.
    void update();
    /// The worker or its channels are others now.
    void look_again() { bells_.ring(); }

  private:
    void run();

    const Core& core_;
    const std::unique_ptr<platform::Readable> readable_;
    std::mutex mutex_;  ///< over a look and what is made of it
    Bells bells_;
    std::atomic<bool> closing_{false};
    std::thread thread_;  ///< last: it uses the others
};

}  // namespace tr::session
