#include "tech_renaissance/session/tensor_stream.h"

#include <utility>

#include "session/tensor_stream_state.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

/// How long the server may take to notice a cancellation before the session goes on without it.
constexpr std::int64_t kCancelMs = 100;

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
    if (state_) state_->core.check_process();
    while (state_) {
        if (!state_->ready.empty()) {
            Tensor tensor = std::move(state_->ready.front());
            state_->ready.pop_front();
            state_->note_more(!state_->ready.empty() || state_->ended);
            return tensor;
        }
        if (state_->ended) {
            state_.reset();
            break;
        }
        state_->core.log.refuse_in_callback();
        auto& conversation = state_->conversation;
        if (!conversation.resume()) {
            const auto state = std::move(state_);
            state->throw_lost();
        }
        try {
            auto part = conversation.checked(conversation.receive_part(state_->core.deadline_of(state_->timeout_ms)));
            state_->ready.assign(part.tensors.begin(), part.tensors.end());
            state_->ended = !part.more;
            conversation.park();
        } catch (const TimeoutError&) {
            conversation.park();
            throw;  // it may be waited for again, or cancelled
        } catch (...) {
            // Also when the wait was interrupted: nobody reads what follows, so the server is not to go on sending it.
            conversation.give_up();
            state_.reset();
            throw;
        }
    }
    return std::nullopt;
}

bool TensorStream::is_ready() const {
    if (!state_) return true;
    state_->core.check_process();
    if (!state_->ready.empty() || state_->ended) return true;
    state_->core.has_been_heard();
    const auto& conversation = state_->conversation;
    return !conversation.still_held() || conversation.channel().answer_lies_ready() || !conversation.worker()->alive();
}

void TensorStream::State::note_more(bool more) {
    if (more == has_more) return;
    has_more = more;
    core.streams_with_more += more ? 1 : -1;
    core.changed();
}

/// A start has ended it, and its worker.
void TensorStream::State::begun() {
    conversation.channel().note([this](channel::Request& request) {
        request.tensors = nullptr;  // they are the caller's from here on
        request.lost = lost;
    });
    conversation.park();
}

void TensorStream::State::throw_lost() const {
    if (*lost) std::rethrow_exception(*lost);
    throw RestartError("this stream of session '" + core.id() +
                       "' has been ended by a restart; what it had not given yet is lost: ask for it again");
}

void TensorStream::cancel() {
    if (!state_) return;
    if (state_->core.inherited()) {
        state_.release();  // as it was when this process was forked: its locks may be held by threads that are not here
        return;
    }
    auto& conversation = state_->conversation;
    try {
        if (conversation.resume() && conversation.channel().request()) {
            conversation.give_up();
            conversation.receive(platform::Deadline::after(kCancelMs));
        }
    } catch (const TRException&) {
        // It is at work on something long, or dead: the next request waits for it, or says so.
    }
    state_.reset();
}

}  // namespace tr
