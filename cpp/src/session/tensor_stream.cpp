#include "tech_renaissance/session/tensor_stream.h"

#include <utility>

#include "session/tensor_stream_state.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

/// How long the server may take to notice a cancellation before the session goes on without it.
constexpr std::int64_t kCancelMs = 1'000;

}  // namespace

TensorStream::TensorStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
TensorStream::~TensorStream() {
    cancel();
}
TensorStream::TensorStream(TensorStream&&) noexcept = default;

TensorStream& TensorStream::operator=(TensorStream&& other) noexcept {
    if (this != &other) {
        cancel();
        state_ = std::move(other.state_);
    }
    return *this;
}

std::optional<Tensor> TensorStream::next() {
    if (state_) state_->session.check_process();
    while (state_) {
        if (!state_->ready.empty()) {
            Tensor tensor = std::move(state_->ready.front());
            state_->ready.pop_front();
            return tensor;
        }
        if (state_->ended) {
            state_.reset();
            break;
        }
        auto& session = state_->session;
        session.log_.refuse_in_callback();
        if (!state_->turn.resume()) {
            const auto state = std::move(state_);
            state->throw_lost();
        }
        try {
            auto part = session.checked(session.receive_part(session.deadline_of(state_->timeout_ms)));
            state_->ready.assign(part.tensors.begin(), part.tensors.end());
            state_->ended = !part.more;
            state_->turn.park();
        } catch (const TimeoutError&) {
            state_->turn.park();
            throw;  // it may be waited for again, or cancelled
        } catch (...) {
            // Also when the wait was interrupted: nobody reads what follows, so the server is not to go on sending it.
            tell_server_to_stop();
            state_.reset();
            throw;
        }
    }
    return std::nullopt;
}

/// A restart has ended it, and its worker.
void TensorStream::State::throw_lost() const {
    const std::lock_guard<std::mutex> lock(session.state_mutex_);
    if (*lost) std::rethrow_exception(*lost);
    throw RestartError("this stream of session '" + session.session_id_ +
                       "' has been ended by a restart; what it had not given yet is lost: ask for it again");
}

/// And has what it still sends dropped.
void TensorStream::tell_server_to_stop() {
    auto& session = state_->session;
    session.abandon();
    try {
        session.cancel_in_flight();
    } catch (const TRException&) {
        // There is no room to say so: the next request reads all of the stream.
    }
}

void TensorStream::cancel() {
    if (!state_) return;
    auto& session = state_->session;
    if (session.inherited()) {
        state_.release();  // as it was when this process was forked: its locks may be held by threads that are not here
        return;
    }
    try {
        if (state_->turn.resume() && session.in_flight_) {
            tell_server_to_stop();
            session.receive(platform::Deadline::after(kCancelMs));
        }
    } catch (const TRException&) {
        // It is at work on something long, or dead: the next request waits for it, or says so.
    }
    state_.reset();
}

}  // namespace tr
