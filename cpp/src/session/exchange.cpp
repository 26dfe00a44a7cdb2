// How a request goes out and its answer comes in.
#include <utility>

#include "platform/sequence_point.h"
#include "protocol/names.h"
#include "session/recovery.h"
#include "session/session_impl.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

using platform::Deadline;

void PythonSession::Impl::send(const std::string& message, const std::vector<TensorView>& tensors, Deadline deadline) {
    throw_if_never_started();
    unsent_ = true;
    const bool understood = ready() && !older_worker_;
    const auto now = Deadline::Clock::now();
    auto request = protocol::make_request(message, next_id_, !understood,
                                          deadline.is_never() ? 0 : deadline.remaining_ms(INT64_MAX, now));
    if (!process_->alive()) fail(death());
    settle_previous(deadline);
    if (understood) carrier_->trust();
    // A worker removes the request before it answers; an older one may be a moment late, and would remove the new one.
    if (carrier_->request_pending())
        wait_until(deadline, "for the worker to take the request before this one",
                   [this] { return !carrier_->request_pending(); });
    tensors_->request_begins(next_id_);
    try {
        carrier_->publish(request.text);
    } catch (...) {
        tensors_->request_ended();
        throw;
    }
    unsent_ = false;
    const std::lock_guard<std::mutex> lock(state_mutex_);
    in_flight_ = InFlight{next_id_++, std::move(request.command), this_thread(), now};
    if (options_.keep_on_failure) {
        in_flight_->text = std::move(request.text);
        if (!tensors.empty()) in_flight_->tensors = &tensors;
    }
    if (recovers()) in_flight_->identity = identity_of(message, tensors);
    ++stats_.requests;
}

void PythonSession::Impl::settle_previous(Deadline deadline) {
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        for (auto kept = inbox_.begin(); kept != inbox_.end();)
            kept = kept->first.expired() || is_this_thread(kept->first) ? inbox_.erase(kept) : std::next(kept);
        if (!in_flight_) return;
    }
    const auto owner = in_flight_->owner;
    const bool wanted = !is_this_thread(owner) && !owner.expired() && !in_flight_->abandoned;
    Answer answer = receive(deadline);
    if (!wanted) return;
    const std::lock_guard<std::mutex> lock(state_mutex_);
    inbox_[owner] = std::move(answer);
}

/// The whole answer: of a stream, the tensors of all its parts.
PythonSession::Impl::Answer PythonSession::Impl::receive(Deadline deadline) {
    Answer answer = receive_part(deadline);
    while (answer.more) {
        Answer part = receive_part(deadline);
        part.tensors.swap(answer.tensors);
        part.tensors.insert(part.tensors.end(), answer.tensors.begin(), answer.tensors.end());
        if (answer.error) part.error = answer.error;
        answer = std::move(part);
    }
    return answer;
}

PythonSession::Impl::Answer PythonSession::Impl::receive_part(Deadline deadline) {
    std::optional<Answer> answer;
    wait_until(deadline, "for an answer", [this, &answer] {
        answer = take_answer();
        return answer.has_value();
    });
    return std::move(*answer);
}

std::optional<PythonSession::Impl::Answer> PythonSession::Impl::take_answer() {
    Answer answer;
    try {
        const auto text = carrier_->take();
        if (!text) return std::nullopt;
        protocol::Response response = protocol::parse_response(*text);
        // To a request of long ago; one without an id can only be to the request in flight.
        if (response.id && *response.id != in_flight_->id) {
            carrier_->acknowledge();
            return std::nullopt;
        }
        TR_SEQUENCE_POINT("answer read");
        answer = read_answer(std::move(response));
        TR_SEQUENCE_POINT("tensors held");
    } catch (const InputError&) {
        answer.error = std::current_exception();  // an answer that makes no sense is one all the same
    }
    throw_if_damaged();
    // Of a request that was given up, that was the failure, and is kept.
    if (answer.error && options_.keep_on_failure && !in_flight_->abandoned) keep(answer.error);
    std::uint64_t bytes = 0;
    for (const auto& tensor : answer.tensors) bytes += tensor.nbytes();
    if (!answer.more) tensors_->request_ended();
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        ++stats_.responses;
        stats_.bytes_received += bytes;
        stats_.last_round_trip_us =
            std::chrono::duration<double, std::micro>(Deadline::Clock::now() - in_flight_->sent).count();
        if (!answer.more) {  // a part is no answer yet: what comes next may end the worker
            if (troubled_.load(std::memory_order_relaxed)) note_answer();
            in_flight_.reset();
        }
    }
    carrier_->acknowledge();  // its tensors are held from here on, so the next ones may be written
    TR_SEQUENCE_POINT("answer acknowledged");
    if (answer.more) carrier_->ring_worker();
    return answer;
}

PythonSession::Impl::Answer PythonSession::Impl::read_answer(protocol::Response response) {
    Answer answer;
    answer.command = in_flight_->command;
    answer.text = std::move(response.text);
    answer.more = response.more;
    try {
        if (response.failure) {
            note_departure(*response.failure);
            protocol::throw_failure(*response.failure, answer.command);
        }
        if (answer.command == protocol::kExitCommand) note_leaving();
        for (const auto& tag : response.tensors) {
            if (response.older_spelling && !tensors_->has(tag)) {
                answer.tensors.clear();  // words, not tags
                break;
            }
            answer.tensors.push_back(tensors_->load(tag));
        }
    } catch (const TRException&) {
        answer.error = directory_->is_there() ? std::current_exception() : std::make_exception_ptr(vanished());
    }
    return answer;
}

/// A worker whose code has called sys.exit, or that was told to stop from outside, answers before it leaves.
void PythonSession::Impl::note_departure(const protocol::RemoteFailure& failure) {
    if (failure.type != "SystemExit" && !(failure.code == to_string(ErrorCode::cancelled) && failure.type.empty()))
        return;
    note_leaving();
}

void PythonSession::Impl::note_leaving() {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    leaving_ = true;
}

/// Of the request in flight, which the worker has had.
RestartError PythonSession::Impl::vanished() const {
    return RestartError("the directory of session '" + session_id_ + "', '" + directory_->path() +
                            "', has been removed while the worker was at work on request " +
                            std::to_string(in_flight_->id) + effect() + "; start() makes a new one",
                        ErrorCode::server_error, is_idempotent(in_flight_->command));
}

/// The answer that the calling thread waits for: one kept for it, else that to the request in flight, which another
/// thread may have sent.
PythonSession::Impl::Answer PythonSession::Impl::own_answer(Deadline deadline) {
    throw_if_never_started();
    unsent_ = false;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        if (auto kept = inbox_.find(this_thread()); kept != inbox_.end()) {
            Answer answer = std::move(kept->second);
            inbox_.erase(kept);
            return answer;
        }
        if (!in_flight_ || in_flight_->abandoned)
            throw InputError("no request is in flight in session '" + session_id_ + "': send one first");
    }
    return receive(deadline);
}

PythonSession::Impl::Answer PythonSession::Impl::checked(Answer answer) {
    if (!answer.error) return answer;
    note_failure();
    std::rethrow_exception(answer.error);
}

std::vector<Tensor> PythonSession::Impl::tensors_of(Answer answer) {
    if (answer.tensors.empty())
        throw InputError("'" + answer.command + "' answered without a tensor, with the text '" + answer.text +
                         "'; read it with fetch_response(), or have the server call send_tensors()");
    return std::move(answer.tensors);
}

}  // namespace tr
