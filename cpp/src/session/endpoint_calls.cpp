// Typed calls: what is given is checked against what the worker has declared, and so is what comes.
#include <optional>
#include <utility>

#include "protocol/endpoint_call.h"
#include "protocol/names.h"
#include "session/core.h"
#include "session/result_maker.h"
#include "session/tensor_stream_state.h"
#include "tech_renaissance/session/endpoint.h"

namespace tr {

using platform::Deadline;
using session::Answer;
using session::Conversation;
using session::Core;

namespace {

using Arguments = detail::EndpointArguments;

/// One call of an endpoint. It refers to what its caller has given.
class EndpointCall {
  public:
    /// @param takes_parts the answer may come in parts
    EndpointCall(const std::string& command, const Arguments& arguments, bool takes_parts = false)
        : command_(command), arguments_(arguments), takes_parts_(takes_parts) {
        given_.reserve(arguments.items().size());
        for (const auto& item : arguments.items())
            given_.push_back({item.name, item.is_value ? &item.value : nullptr, item.first, item.count, item.in_list});
    }
    EndpointCall(const EndpointCall&) = delete;
    EndpointCall& operator=(const EndpointCall&) = delete;

    /// Finds out what is to be sent, unless it has for what this worker offers.
    /// @throws InputError when what was given is not what the endpoint takes
    void prepare(std::shared_ptr<const protocol::Endpoints> offered) {
        if (offered == offered_) return;
        endpoint_ = offered->find(command_);
        sizes_.emplace(endpoint_ == nullptr ? 0 : endpoint_->symbols);
        if (endpoint_ != nullptr && endpoint_->stream && !takes_parts_)
            throw InputError("'" + command_ + "' answers in parts: call it with stream(), which gives them one by one");
        auto plan = endpoint_ == nullptr ? protocol::plan_call(command_, given_, arguments_.tensors())
                                         : protocol::plan_call(*endpoint_, given_, arguments_.tensors(), *sizes_);
        in_order_.clear();
        for (const std::size_t i : plan.order) in_order_.push_back(arguments_.tensors()[i]);
        attached_.names = std::move(plan.names);
        attached_.arguments = std::move(plan.arguments);
        attached_.is_sound = true;
        message_ = protocol::with_input_tags(command_, tensors().size());
        offered_ = std::move(offered);
    }
    void begin(const Core& core, Conversation& conversation, Deadline deadline) {
        prepare_for(core, conversation, deadline);
        conversation.begin(tensors(), message_, deadline, attached_);
    }
    Answer exchange(const Core& core, Conversation& conversation, Deadline deadline) {
        prepare_for(core, conversation, deadline);
        return conversation.exchange(tensors(), message_, deadline, attached_);
    }
    /// For the parts that are to come.
    const std::shared_ptr<const protocol::Endpoints>& offered() const { return offered_; }
    const protocol::Endpoint* endpoint() const { return endpoint_; }
    const std::optional<protocol::Sizes>& sizes() const { return sizes_; }
    Result result(Answer answer) { return ResultMaker::make(std::move(answer), endpoint_, *sizes_); }

  private:
    void prepare_for(const Core& core, Conversation& conversation, Deadline deadline) {
        prepare(conversation.endpoints(deadline));
        core.refuse_quarantined(session::with_arguments(message_, attached_.arguments), tensors());
    }
    const std::vector<TensorView>& tensors() const { return in_order_.empty() ? arguments_.tensors() : in_order_; }

    const std::string& command_;
    const Arguments& arguments_;
    const bool takes_parts_;
    std::vector<protocol::Given> given_;
    std::shared_ptr<const protocol::Endpoints> offered_;  ///< for which this was prepared
    const protocol::Endpoint* endpoint_ = nullptr;        ///< null: nothing is known of it
    std::optional<protocol::Sizes> sizes_;
    std::vector<TensorView> in_order_;  ///< empty: as they were given
    std::string message_;
    protocol::Attached attached_;
};

Result call_endpoint(Core& core, const std::string& endpoint, const Arguments& given, Deadline deadline) {
    EndpointCall call(endpoint, given);
    if (auto offered = core.first().endpoints()) call.prepare(std::move(offered));  // mistakes need no turn
    Conversation conversation(core, deadline);
    return call.result(
        core.recovering(conversation, deadline, [&] { return call.exchange(core, conversation, deadline); }));
}

Endpoint described(const protocol::Endpoint& known) {
    Endpoint endpoint{known.name, known.doc, known.stream, known.open, {}, {}};
    for (const auto& input : known.inputs)
        endpoint.inputs.push_back({input.name, to_text(input.type), input.required, input.preset, input.by_name});
    for (const auto& output : known.outputs) endpoint.outputs.push_back({output.name, to_text(output.type)});
    return endpoint;
}

}  // namespace

Result PythonSession::called(const std::string& endpoint, const Arguments& given) const {
    return call_endpoint(core(), endpoint, given, core().deadline_of(given.limit()));
}

ResultFuture PythonSession::called_async(const std::string& endpoint, Arguments&& given) const {
    auto& session = core();
    const auto kept = std::make_shared<const Arguments>(std::move(given));
    auto [future, call] = session.submit<Result>(endpoint, session.deadline_of(kept->limit()),
                                                 [&session, kept](const session::AsyncCall& work) {
                                                     return call_endpoint(session, work.command, *kept, work.deadline);
                                                 });
    return ResultFuture(std::move(future), std::move(call));
}

TensorStream PythonSession::streamed(const std::string& endpoint, const Arguments& given) const {
    auto& session = core();
    const Deadline deadline = session.deadline_of(given.limit());
    EndpointCall call(endpoint, given, true);
    if (auto offered = session.first().endpoints()) call.prepare(std::move(offered));
    auto state = std::make_unique<TensorStream::State>(session, deadline, given.limit());
    auto& conversation = state->conversation;
    session.recovering(conversation, deadline, [&] { call.begin(session, conversation, deadline); });
    state->offered = call.offered();
    state->endpoint = call.endpoint();
    state->sizes = call.sizes();
    state->begun();
    return TensorStream(std::move(state));
}

std::vector<Endpoint> PythonSession::endpoints() const {
    auto& session = core();
    session.require_worker(session.worker().get());
    const Deadline deadline = session.deadline_of(kDefaultTimeout);
    if (!session.first().endpoints()) session.wait_for_hello(deadline);
    if (!session.first().endpoints()) session.wait_until_ready(deadline);  // which tells of its end
    std::vector<Endpoint> all;
    const auto offered = session.first().endpoints();
    if (!offered) return all;
    for (const auto& endpoint : offered->all()) all.push_back(described(endpoint));
    return all;
}

Result detail::EndpointCalls::call(const PythonSession& session, const std::string& endpoint, const Arguments& given) {
    return session.called(endpoint, given);
}

std::uint64_t detail::EndpointCalls::epoch(const PythonSession& session) {
    const auto worker = session.core().worker();
    return worker ? worker->epoch() : 0;
}

TensorStream detail::EndpointCalls::stream(const PythonSession& session, const std::string& endpoint,
                                           const Arguments& given) {
    return session.streamed(endpoint, given);
}

ResultFuture detail::EndpointCalls::call_async(const PythonSession& session, const std::string& endpoint,
                                               Arguments&& given) {
    return session.called_async(endpoint, std::move(given));
}

}  // namespace tr

namespace tr::session {

std::shared_ptr<const protocol::Endpoints> Conversation::endpoints(Deadline deadline) {
    require_worker();
    auto found = core_.first().endpoints();
    if (found) return found;
    core_.wait_for_hello(*this, *worker_, deadline);
    found = core_.first().endpoints();
    if (!found) fail(death(true));
    return found;
}

}  // namespace tr::session
