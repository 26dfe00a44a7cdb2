#pragma once

#include <cstdint>
#include <deque>

#include "session/session_impl.h"
#include "session/turn_lock.h"

namespace tr {

/// What a stream holds while it runs.
struct TensorStream::State {
    State(PythonSession::Impl& owner, platform::Deadline deadline, std::int64_t timeout)
        : session(owner), turn(owner, deadline), timeout_ms(timeout) {}

    PythonSession::Impl& session;
    PythonSession::Impl::TurnLock turn;
    std::int64_t timeout_ms;
    std::deque<Tensor> ready;
    bool ended = false;
};

}  // namespace tr
