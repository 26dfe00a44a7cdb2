#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <memory>

#include "session/session_impl.h"
#include "session/turn_lock.h"

namespace tr {

/// What a stream holds while it runs.
struct TensorStream::State {
    State(PythonSession::Impl& owner, platform::Deadline deadline, std::int64_t timeout)
        : session(owner), turn(owner, deadline), timeout_ms(timeout) {}

    [[noreturn]] void throw_lost() const;

    PythonSession::Impl& session;
    PythonSession::Impl::TurnLock turn;
    std::int64_t timeout_ms;
    std::deque<Tensor> ready;
    bool ended = false;
    /// How it was lost, when its turn has been taken; shared with the request in flight.
    std::shared_ptr<std::exception_ptr> lost = std::make_shared<std::exception_ptr>();
};

}  // namespace tr
