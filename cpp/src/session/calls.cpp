// The calls of a session: how each is put together from requests and answers.
#include <utility>

#include "carrier/files_carrier.h"
#include "platform/mapping_guard.h"
#include "protocol/names.h"
#include "session/recovery.h"
#include "session/session_impl.h"
#include "session/tensor_stream_state.h"
#include "session/turn_lock.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

using platform::Deadline;

void PythonSession::Impl::send_request(const std::string& message) {
    const Deadline deadline = deadline_of(kDefaultTimeout);
    const TurnLock turn(*this, deadline);
    refuse_quarantined(message, {});
    recovering(deadline, [&] { send(message, {}, deadline); });
}

bool PythonSession::Impl::new_response() {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    if (inbox_.find(this_thread()) != inbox_.end()) return true;
    return in_flight_ && !in_flight_->abandoned && carrier_->response_pending();
}

std::string PythonSession::Impl::read_response() {
    if (!new_response())
        throw InputError("no answer lies ready in session '" + session_id_ + "'; wait for it with wait_for_response()");
    return wait_for_response(kDefaultTimeout);
}

std::string PythonSession::Impl::wait_for_response(std::int64_t timeout_ms) {
    const Deadline deadline = deadline_of(timeout_ms);
    const TurnLock turn(*this, deadline);
    return checked(own_answer(deadline)).text;
}

std::string PythonSession::Impl::fetch_response(const std::string& message, std::int64_t timeout_ms) {
    return exchange({}, message, timeout_ms).text;
}

void PythonSession::Impl::send_tensor(const TensorView& tensor, const std::string& tag) {
    store(tensor, tag);
    if (!platform::any_damage()) return;
    const TurnLock turn(*this, std::try_to_lock);
    if (turn.held()) return throw_if_damaged();
    if (const auto error = damage()) {
        note_failure();  // whoever has the turn finds the worker dead, and keeps the request
        throw *error;
    }
}

void PythonSession::Impl::store(const TensorView& tensor, const std::string& tag) {
    std::shared_ptr<carrier::TensorStore> tensors;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        throw_if_never_started();
        stats_.bytes_sent += tensor.nbytes();
        tensors = tensors_;
    }
    tensors->store(tensor, tag);
}

Tensor PythonSession::Impl::empty(const Shape& shape, DType dtype, const std::string& tag) {
    std::shared_ptr<carrier::TensorStore> tensors;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        throw_if_never_started();
        tensors = tensors_;
    }
    return tensors->empty(shape, dtype, tag);
}

std::vector<Tensor> PythonSession::Impl::wait_for_tensors(std::int64_t timeout_ms) {
    const Deadline deadline = deadline_of(timeout_ms);
    const TurnLock turn(*this, deadline);
    return tensors_of(checked(own_answer(deadline)));
}

std::vector<Tensor> PythonSession::Impl::fetch_tensors(const std::string& message, std::int64_t timeout_ms) {
    return tensors_of(exchange({}, message, timeout_ms));
}

/// "command a,b rest" from "command rest" for two tensors.
static std::string with_tags(const std::string& command, std::size_t count) {
    const auto blank = command.find(' ');
    std::string message = command.substr(0, blank);
    for (std::size_t i = 0; i < count; ++i) message += std::string(i == 0 ? " " : ",") + static_cast<char>('a' + i);
    if (blank != std::string::npos) message += command.substr(blank);
    return message;
}

std::vector<Tensor> PythonSession::Impl::calculate(const std::string& command, const std::vector<TensorView>& tensors,
                                                   std::int64_t timeout_ms) {
    constexpr std::size_t kMostTensors = 26;
    if (tensors.size() > kMostTensors)
        throw InputError("calculate() takes at most 26 tensors, the tags a to z; got " +
                         std::to_string(tensors.size()) + ": use send_tensor() and fetch_tensor() for more");
    return tensors_of(exchange(tensors, with_tags(command, tensors.size()), timeout_ms));
}

/// One whole turn: the tensors under the tags a, b, c, ..., the request, its answer.
PythonSession::Impl::Answer PythonSession::Impl::exchange(const std::vector<TensorView>& tensors,
                                                          const std::string& message, std::int64_t timeout_ms) {
    const Deadline deadline = deadline_of(timeout_ms);
    const TurnLock turn(*this, deadline);
    refuse_quarantined(message, tensors);
    return recovering(deadline, [&] { return exchange_once(tensors, message, deadline); });
}

PythonSession::Impl::Answer PythonSession::Impl::exchange_once(const std::vector<TensorView>& tensors,
                                                               const std::string& message, Deadline deadline) {
    begin_exchange(tensors, message, deadline);
    try {
        return checked(receive(deadline));
    } catch (...) {
        abandon();
        throw;
    }
}

void PythonSession::Impl::begin_exchange(const std::vector<TensorView>& tensors, const std::string& message,
                                         Deadline deadline) {
    throw_if_never_started();
    unsent_ = true;
    settle_previous(deadline);  // the worker may still read tensors under these tags
    for (std::size_t i = 0; i < tensors.size(); ++i) store(tensors[i], std::string(1, static_cast<char>('a' + i)));
    throw_if_damaged();
    send(message, tensors, deadline);
}

/// Nobody may take the answer to the request in flight, should it still come.
void PythonSession::Impl::abandon() {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    if (!in_flight_) return;
    in_flight_->abandoned = true;
    in_flight_->tensors = nullptr;
}

/// Has the worker end the stream in flight at its next part.
void PythonSession::Impl::cancel_in_flight() {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    if (!in_flight_) return;
    carrier::write_session_file(directory_->file(protocol::kCancelFile), protocol::encode_cancel(in_flight_->id));
    carrier_->ring_worker();
}

TensorStream PythonSession::Impl::stream(const std::string& command, const std::vector<TensorView>& tensors,
                                         std::int64_t timeout_ms) {
    const Deadline deadline = deadline_of(timeout_ms);
    auto state = std::make_unique<TensorStream::State>(*this, deadline, timeout_ms);
    const std::string message = with_tags(command, tensors.size());
    refuse_quarantined(message, tensors);
    recovering(deadline, [&] { begin_exchange(tensors, message, deadline); });
    in_flight_->tensors = nullptr;  // they are the caller's from here on
    in_flight_->lost = state->lost;
    state->turn.park();
    return TensorStream(std::move(state));
}

std::future<Tensor> PythonSession::Impl::calculate_async(const std::string& command, std::vector<Tensor> tensors,
                                                         std::int64_t timeout_ms) {
    {
        const std::lock_guard<std::mutex> lock(async_mutex_);
        ++async_running_;
    }
    std::promise<Tensor> promise;
    auto future = promise.get_future();
    const auto done = [this] {
        const std::lock_guard<std::mutex> lock(async_mutex_);
        --async_running_;
        async_done_.notify_all();
    };
    try {
        std::thread([this, done, command, timeout_ms, tensors = std::move(tensors),
                     promise = std::move(promise)]() mutable {
            try {
                const std::vector<TensorView> views(tensors.begin(), tensors.end());
                Tensor result = calculate(command, views, timeout_ms).front();
                promise.set_value(std::move(result));
            } catch (...) {
                promise.set_exception(std::current_exception());
            }
            done();
        }).detach();
    } catch (...) {
        done();
        throw;
    }
    return future;
}

}  // namespace tr
