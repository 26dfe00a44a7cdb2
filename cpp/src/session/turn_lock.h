#pragma once

#include <mutex>

#include "session/session_impl.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

/// Holds the turn of a session, taken within a limit.
class PythonSession::Impl::TurnLock {
  public:
    /// @param end_stream whether it may be taken from a stream that nobody reads just then, which ends that
    /// @throws TimeoutError when another thread holds it for longer, InputError in the log callback
    TurnLock(Impl& session, Deadline deadline, const std::function<bool()>& end_stream = {}) : turn_(session.turn_) {
        session.log_.refuse_in_callback();
        ticket_ = turn_.acquire(deadline, end_stream);
        if (ticket_ == 0)
            throw TimeoutError(
                "session '" + session.session_id_ +
                "' is taken by another thread's request, or by a stream that has not ended, and the time limit passed "
                "while waiting for it");
    }
    /// Takes it if it is free just then: see held().
    TurnLock(Impl& session, std::try_to_lock_t) : turn_(session.turn_), ticket_(turn_.try_acquire()) {}
    ~TurnLock() {
        if (ticket_ != 0) turn_.release(ticket_);
    }
    TurnLock(const TurnLock&) = delete;
    TurnLock& operator=(const TurnLock&) = delete;

    bool held() const { return ticket_ != 0; }
    void park() { turn_.park(ticket_); }
    bool resume() { return turn_.resume(ticket_); }

  private:
    Turn& turn_;
    Turn::Ticket ticket_ = 0;
};

}  // namespace tr
