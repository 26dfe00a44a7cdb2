#pragma once

#include "session/session_impl.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

/// Holds the turn of a session, taken within a limit.
class PythonSession::Impl::TurnLock {
  public:
    /// @throws TimeoutError when another thread holds it for longer
    TurnLock(Impl& session, Deadline deadline) : turn_(session.turn_) {
        if (!turn_.acquire(deadline))
            throw TimeoutError(
                "session '" + session.session_id_ +
                "' is taken by another thread's request, or by a stream that has not ended, and the time limit passed "
                "while waiting for it");
    }
    ~TurnLock() { turn_.release(); }
    TurnLock(const TurnLock&) = delete;
    TurnLock& operator=(const TurnLock&) = delete;

  private:
    Turn& turn_;
};

}  // namespace tr
