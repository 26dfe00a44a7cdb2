#include "tech_renaissance/session/tensor_stream.h"

#include <utility>

#include "session/result_maker.h"
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

/// Has the next part where it can be given; false when the stream has ended.
bool TensorStream::fetch() {
    if (state_) state_->core.check_process();
    while (state_) {
        if (state_->part) return true;
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
            auto answer = conversation.checked(conversation.receive_part(state_->core.deadline_of(state_->timeout_ms)));
            state_->ended = !answer.more;
            // An answer that says no more than that all has been sent is no part.
            if (answer.more || !answer.tensors.empty() || !answer.values.is_null())
                state_->part = state_->result_of(std::move(answer));
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
    return false;
}

void TensorStream::note_given() {
    state_->note_more(!state_->ready.empty() || state_->part || state_->ended);
}

std::optional<Tensor> TensorStream::next() {
    while (!state_ || state_->ready.empty()) {
        if (!fetch()) return std::nullopt;
        const Result& part = *state_->part;
        for (std::size_t i = 0; i < part.size(); ++i)
            if (!part.is_tensor(i) && !part.is_list(i) && !part.value(i).is_null())
                throw InputError("a part of this stream holds '" + part.names()[i] +
                                 "', which is no tensor: read its parts with next_part()");
        const auto tensors = part.tensors();
        state_->ready.assign(tensors.begin(), tensors.end());
        state_->part.reset();
    }
    state_->core.check_process();
    Tensor tensor = std::move(state_->ready.front());
    state_->ready.pop_front();
    note_given();
    return tensor;
}

std::optional<Result> TensorStream::next_part() {
    if (state_ && !state_->ready.empty())
        throw InputError(
            "next() has given some of the tensors of a part, and others are left: expected to be asked for those "
            "first");
    if (!fetch()) return std::nullopt;
    Result part = std::move(*state_->part);
    state_->part.reset();
    note_given();
    return part;
}

std::optional<std::variant<Tensor, Result>> TensorStream::next_item() {
    if ((!state_ || state_->ready.empty()) && !fetch()) return std::nullopt;
    if (state_->part && state_->endpoint != nullptr) return next_part();
    return next();
}

bool TensorStream::is_ready() const {
    if (!state_) return true;
    state_->core.check_process();
    if (!state_->ready.empty() || state_->part || state_->ended) return true;
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

/// What has come, as the endpoint declares it, where the command is one.
Result TensorStream::State::result_of(session::Answer answer) {
    if (!sizes) {
        offered = core.first().endpoints();
        endpoint = offered ? offered->find(answer.command) : nullptr;
        sizes.emplace(endpoint == nullptr ? 0 : endpoint->symbols);
    }
    protocol::Sizes own = *sizes;  // symbols that the inputs leave open may be other sizes in each part
    return ResultMaker::make(std::move(answer), endpoint, own);
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
