// The calls of a session: how each is put together from requests and answers.
#include <algorithm>
#include <utility>

#include "platform/mapping_guard.h"
#include "protocol/names.h"
#include "session/core.h"
#include "session/tensor_stream_state.h"

namespace tr {

using platform::Deadline;
using session::Answer;
using session::Conversation;
using session::Core;

namespace {

/// What the message says of them, by their tags.
std::string told(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i].empty()) continue;
        protocol::require_tag(names[i], "the name of a tensor");
        const auto first = names.begin() + static_cast<std::ptrdiff_t>(i);
        if (std::find(names.begin(), first, names[i]) != first)
            throw InputError("two tensors of one call are named '" + names[i] + "': expected a name for each");
        text.append(text.empty() ? "" : " ").append(protocol::input_tag(i)).append(" ").append(names[i]);
    }
    return text;
}

/// One whole turn: the tensors under the tags a, b, c, ..., the request, its answer.
Answer exchange(Core& core, const std::vector<TensorView>& tensors, const std::string& message, Deadline deadline,
                const protocol::Attached& attached = {}) {
    Conversation conversation(core, deadline);
    core.refuse_quarantined(message, tensors);
    return core.recovering(conversation, deadline,
                           [&] { return conversation.exchange(tensors, message, deadline, attached); });
}

Answer answer_to(Core& core, const std::string& command, const std::vector<TensorView>& tensors,
                 const std::vector<std::string>& names, Deadline deadline) {
    protocol::Attached attached;
    attached.is_sound = true;  // there are none
    if (!names.empty()) attached.names = told(names);
    return exchange(core, tensors, protocol::with_input_tags(command, tensors.size()), deadline, attached);
}

/// A scalar for the command that stands behind the tensors would be the limit, and mostly a short one.
Answer answer_to(Core& core, const std::string& command, const detail::CallArguments& call) {
    try {
        return answer_to(core, command, call.tensors(), call.names(), core.deadline_of(call.limit()));
    } catch (const TimeoutError& error) {
        if (!call.number_at_end() || !error.python_type().empty()) throw;
        const std::string limit = std::to_string(call.limit());
        throw TimeoutError(std::string(error.what()) + "; the limit of " + limit +
                           " ms is the last argument of calculate(): one that is meant for the command goes into its "
                           "text, '" +
                           command + " " + limit + "'");
    }
}

std::string listed(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names)
        if (!name.empty()) text.append(text.empty() ? "'" : ", '").append(name).append("'");
    return text;
}

/// The one tensor of an answer.
Tensor single(Answer answer) {
    if (answer.tensors.size() > 1) {
        const std::string names = listed(answer.names);
        throw InputError("'" + answer.command + "' answered with " + std::to_string(answer.tensors.size()) +
                         " tensors, where calculate() gives one: use calculate_many() for all of them" +
                         (names.empty() ? "" : ", or calculate_named() for " + names));
    }
    auto tensors = session::tensors_of(std::move(answer));
    return std::move(tensors.front());
}

/// That to a request which was sent by hand.
Answer answer_to(Core& core, std::uint64_t request, Deadline deadline,
                 session::Purpose purpose = session::kForAnAnswer) {
    core.log.refuse_in_callback();
    const auto elsewhere = [&] { return core.inbox.has(request); };
    Conversation conversation(core, core.turns.for_answer(request, deadline, elsewhere));
    std::optional<Answer> answer;
    if (conversation.held())
        answer = conversation.answer_to(request, deadline, purpose);
    else
        answer = core.inbox.take(request);
    if (!answer && deadline.passed()) core.throw_taken();
    if (!answer) core.throw_read_before(request);
    core.inbox.read(request);
    if (conversation.held()) return conversation.checked(std::move(*answer));
    core.changed();
    if (!answer->error) return std::move(*answer);
    core.record(core.event(SessionEvent::Kind::failed, core.worker().get()));
    std::rethrow_exception(answer->error);
}

/// That to this thread's request.
Answer own_answer(Core& core, Deadline deadline, session::Purpose purpose = session::kForAnAnswer) {
    core.require_worker(core.worker().get());
    const auto request = core.inbox.own_request();
    if (!request) core.throw_nothing_sent();
    return answer_to(core, *request, deadline, purpose);
}

bool can_be_read(Core& core, std::optional<std::uint64_t> request) {
    if (!request) return false;
    core.has_been_heard();
    return core.answer_lies_ready(*request) || core.answer_will_not_come(*request);
}

std::string read_now(Core& core, std::optional<std::uint64_t> request) {
    if (!can_be_read(core, request))
        throw InputError("no answer lies ready in session '" + core.id() + "'; wait for it with wait_for_response()");
    return answer_to(core, *request, core.deadline_of(PythonSession::kDefaultTimeout)).text;
}

/// Whether it came to its end before its limit. One that the worker's answer tells of is none of it.
template <class Wait>
bool in_time(const Wait& wait) {
    try {
        wait();
        return true;
    } catch (const TimeoutError& error) {
        if (!error.python_type().empty()) throw;
        return false;
    }
}

std::shared_ptr<channel::TensorStore> tensors_by_hand(Core& core) {
    const auto tensors = core.first().shared_tensors();
    if (!tensors || !core.worker()) core.require_worker(nullptr);
    return tensors;
}

}  // namespace

bool PythonSession::wait_until_ready(Limit limit) const {
    const Deadline deadline = core().deadline_of(limit);
    return in_time([&] { core().wait_until_ready(deadline); });
}

bool PythonSession::wait_until_ok(Limit limit) const {
    return in_time([&] {
        Answer answer = own_answer(core(), core().deadline_of(limit), {session::kForAnAnswer.text, false, true});
        core().inbox.sent(answer.request);
        core().inbox.put(std::move(answer));
        core().changed();
    });
}

// ---------------------------------------------------------------------------------------------------------- by hand

SentRequest PythonSession::send_request(const std::string& message) const {
    const Deadline deadline = core().deadline_of(kDefaultTimeout);
    Conversation conversation(core(), deadline);
    core().refuse_quarantined(message, {});
    const auto handle = std::make_shared<const char>();
    core().recovering(conversation, deadline, [&] { conversation.send(message, {}, deadline, {}, handle); });
    return SentRequest(core(), conversation.channel().request()->id, handle);
}

bool PythonSession::new_response() const {
    return can_be_read(core(), core().inbox.own_request());
}

std::string PythonSession::read_response() const {
    return read_now(core(), core().inbox.own_request());
}

std::string PythonSession::wait_for_response(Limit limit) const {
    return own_answer(core(), core().deadline_of(limit)).text;
}

Tensor PythonSession::wait_for_tensor(Limit limit) const {
    return wait_for_tensors(limit).front();
}

std::vector<Tensor> PythonSession::wait_for_tensors(Limit limit) const {
    return session::tensors_of(own_answer(core(), core().deadline_of(limit)));
}

session::Core& SentRequest::core() const {
    if (core_ == nullptr) throw InputError("this SentRequest has no request: take one that send_request() gave");
    core_->check_process();
    return *core_;
}

bool SentRequest::new_response() const {
    return can_be_read(core(), request_);
}

std::string SentRequest::read_response() const {
    return read_now(core(), request_);
}

std::string SentRequest::wait_for_response(Limit limit) const {
    return answer_to(core(), request_, core().deadline_of(limit)).text;
}

Tensor SentRequest::wait_for_tensor(Limit limit) const {
    return wait_for_tensors(limit).front();
}

std::vector<Tensor> SentRequest::wait_for_tensors(Limit limit) const {
    return session::tensors_of(answer_to(core(), request_, core().deadline_of(limit)));
}

void PythonSession::send_tensor(const TensorView& tensor, const std::string& tag) const {
    auto& session = core();
    tensors_by_hand(session)->store(tensor, tag);
    session.record.sent_by_hand(tensor.nbytes());
    if (!platform::any_damage()) return;
    Conversation conversation(session, session.turns.try_take(0));
    if (conversation.held()) return conversation.throw_if_damaged();
    if (const auto error = session.damage(session.worker().get())) {
        // Whoever has the channel finds the worker dead, and keeps the request.
        session.record(session.event(SessionEvent::Kind::failed, nullptr));
        throw *error;
    }
}

Tensor PythonSession::empty(const Shape& shape, DType dtype, const std::string& tag) const {
    const auto tensors = tensors_by_hand(core());
    core().wait_for_hello(core().deadline_of(kDefaultTimeout));
    return tensors->empty(shape, dtype, tag);
}

// ------------------------------------------------------------------------------------------------------- whole turns

std::string PythonSession::health(Limit limit) const {
    try {
        std::string told = fetch_response(protocol::kHealthCommand, limit);
        return told == protocol::kWell ? std::string() : told;
    } catch (const NotFoundError&) {
        return {};  // a server without the hook does not know the command
    }
}

std::string PythonSession::fetch_response(const std::string& message, Limit limit) const {
    return exchange(core(), {}, message, core().deadline_of(limit)).text;
}

Tensor PythonSession::fetch_tensor(const std::string& message, Limit limit) const {
    return session::tensors_of(exchange(core(), {}, message, core().deadline_of(limit))).front();
}

Tensor PythonSession::result_of(const std::string& command, const detail::CallArguments& call) const {
    return single(answer_to(core(), command, call));
}

std::vector<Tensor> PythonSession::results_of(const std::string& command, const detail::CallArguments& call) const {
    return session::tensors_of(answer_to(core(), command, call));
}

std::map<std::string, Tensor> PythonSession::named_results_of(const std::string& command,
                                                              const detail::CallArguments& call) const {
    Answer answer = answer_to(core(), command, call);
    const auto names = std::move(answer.names);
    const auto tensors = session::tensors_of(std::move(answer));
    std::map<std::string, Tensor> results;
    for (std::size_t i = 0; i < names.size(); ++i)
        if (!names[i].empty()) results.emplace(names[i], tensors[i]);
    if (results.size() == tensors.size()) return results;
    throw InputError("'" + command.substr(0, command.find(' ')) + "' answered with " + std::to_string(tensors.size()) +
                     " tensors, and names " + (results.empty() ? "none of them" : "of these only " + listed(names)) +
                     ": calculate_many() gives them in order; its server names them with send_tensors(name=...)");
}

TensorStream PythonSession::stream(const std::string& command, const std::vector<TensorView>& tensors,
                                   Limit limit) const {
    auto& session = core();
    const Deadline deadline = session.deadline_of(limit);
    auto state = std::make_unique<TensorStream::State>(session, deadline, limit);
    const std::string message = protocol::with_input_tags(command, tensors.size());
    session.refuse_quarantined(message, tensors);
    auto& conversation = state->conversation;
    session.recovering(conversation, deadline, [&] { conversation.begin(tensors, message, deadline); });
    state->begun();
    return TensorStream(std::move(state));
}

CallFuture PythonSession::calculate_async(const std::string& command, const std::vector<Tensor>& tensors,
                                          Limit limit) const {
    std::vector<NamedTensor> without_names;
    without_names.reserve(tensors.size());
    for (const auto& tensor : tensors) without_names.emplace_back(std::string(), tensor);
    return calculate_async(command, without_names, limit);
}

CallFuture PythonSession::calculate_async(const std::string& command, const std::vector<NamedTensor>& tensors,
                                          Limit limit) const {
    auto& session = core();
    auto [future, call] = session.submit<Tensor>(
        command, session.deadline_of(limit), [&session, tensors](const session::AsyncCall& work) {
            const detail::CallArguments arguments(tensors);
            return single(answer_to(session, work.command, arguments.tensors(), arguments.names(), work.deadline));
        });
    return CallFuture(std::move(future), std::move(call));
}

CallFuture PythonSession::start_async(Limit limit) {
    auto& session = core();
    auto [future, call] =
        session.submit<Tensor>("start()", session.deadline_of(limit), [&session](const session::AsyncCall& work) {
            session.start(work.deadline);
            session.wait_until_ready(work.deadline);
            return Tensor();
        });
    return CallFuture(std::move(future), std::move(call));
}

}  // namespace tr
