#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "session/core.h"
#include "session/tensor_stream_state.h"
#include "tech_renaissance/session/call_future.h"
#include "tech_renaissance/session/python_session.h"

namespace tr::detail {

/// What layers above the session may have of its inside.
struct SessionAccess {
    /// Has this called when the worker that there is now has ended: on the thread that notices it, with no lock held;
    /// at once where it has.
    static void at_end(const PythonSession& session, std::function<void()> then) {
        if (const auto worker = session.core().worker()) worker->at_end(std::move(then));
    }
    static CallFuture future(const std::shared_ptr<session::AsyncCallFor<Tensor>>& call) {
        return CallFuture(call->future(), call);
    }
    static ResultFuture future(const std::shared_ptr<session::AsyncCallFor<Result>>& call) {
        return ResultFuture(call->future(), call);
    }
    /// Its worker is replaced by another than its user; see Supervisor::hand_over().
    static void hand_over(const PythonSession& session, std::string remedy,
                          std::shared_ptr<session::Quarantine> quarantine) {
        session.core().supervisor.hand_over(std::move(remedy), std::move(quarantine));
    }
    /// The stream keeps it until it has ended, and lets go of it when its channel is free.
    static void keep(TensorStream& stream, std::shared_ptr<const void> kept) {
        if (stream.state_) stream.state_->kept = std::move(kept);
    }
};

}  // namespace tr::detail
