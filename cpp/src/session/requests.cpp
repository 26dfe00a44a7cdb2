// How a request goes out and its answer comes in.
#include <algorithm>
#include <iterator>
#include <utility>

#include "platform/sequence_point.h"
#include "protocol/buffers.h"
#include "protocol/names.h"
#include "session/conversation.h"
#include "session/core.h"

namespace tr::session {

using channel::Event;
using channel::Exchange;
using platform::Deadline;

namespace {

constexpr std::int64_t kLeavingMs = 2'000;  ///< for a worker that has said that it leaves

std::uint64_t bytes_of(const std::vector<TensorView>& tensors) {
    std::uint64_t bytes = 0;
    for (const auto& tensor : tensors) bytes += tensor.nbytes();
    return bytes;
}

Answer answer_of(const channel::Request& request) {
    Answer answer;
    answer.request = request.id;
    answer.owner = request.owner;
    answer.command = request.command;
    return answer;
}

/// A worker whose code has called sys.exit, or that was told to stop from outside, answers before it leaves.
bool tells_of_leaving(const protocol::RemoteFailure& failure) {
    return failure.type == "SystemExit" || (failure.code == to_string(ErrorCode::cancelled) && failure.type.empty());
}

/// Of each of its tensors; empty for one without.
std::vector<std::string> names_of(const protocol::Response& response) {
    std::vector<std::string> names(response.tensors.size());
    for (const auto& [tag, name] : protocol::parse_names(response.names)) {
        const auto place = std::find(response.tensors.begin(), response.tensors.end(), tag);
        if (place == response.tensors.end())
            throw InputError("response: '" + std::string(tag) + "' in 'names' is none of its tensors");
        names[static_cast<std::size_t>(place - response.tensors.begin())] = name;
    }
    return names;
}

template <class Item>
void put_before(std::vector<Item>& items, std::vector<Item>& others) {
    items.insert(items.begin(), std::make_move_iterator(others.begin()), std::make_move_iterator(others.end()));
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------- sending

void Conversation::begin(const std::vector<TensorView>& tensors, const std::string& message, Deadline deadline,
                         const protocol::Attached& attached) {
    require_worker();
    require_channel(deadline);
    if (channel_->directory() == nullptr) fail(death(true));  // terminate() has let go of another's worker
    settle_previous(deadline);                                // the worker may still read tensors under these tags
    try {
        // Requests of other channels, which may name a tag of this one, would not tell where it lies.
        const bool alone = core_.turns.count() == 1;
        const auto purpose = alone ? channel::TensorStore::For::only_request : channel::TensorStore::For::request;
        for (std::size_t i = 0; i < tensors.size(); ++i)
            channel_->tensors()->store(tensors[i], protocol::input_tag(i), purpose);
        if (alone && core_.turns.count() != 1) channel_->tensors()->name_all();
    } catch (const RestartError&) {
        if (worker_->is_ours() || channel_->is_there()) throw;
        fail_as_vanished();  // with the session of another program, which the message names
    }
    throw_if_damaged();
    send(message, tensors, deadline, attached);
}

void Conversation::send(const std::string& message, const std::vector<TensorView>& tensors, Deadline deadline,
                        const protocol::Attached& attached, const std::shared_ptr<const void>& handle) {
    require_worker();
    require_channel(deadline);
    hear();
    const bool understood = channel_->is_understood();
    const auto now = Deadline::Clock::now();
    channel::Request request;
    request.id = core_.new_request_id();
    auto wire = protocol::make_request(message, request.id, !understood,
                                       deadline.is_never() ? 0 : deadline.remaining_ms(INT64_MAX, now), attached);
    if (!worker_->alive()) fail(death(true));
    if (wire.has_arguments || !attached.names.empty()) require_features(wire, attached, deadline);
    settle_previous(deadline);
    auto& carrier = channel_->carrier();
    if (understood) carrier.trust();
    // A worker removes the request before it answers; an older one may be a moment late, and would remove the new one.
    // It may answer more than once as well, and waits with each until the one before has been taken.
    if (carrier.request_pending())
        wait_until(deadline, {"for the worker to take the request before this one", true, false}, [this] {
            drop_stray_answer();
            return !channel_->carrier().request_pending();
        });
    if (!understood) drop_stray_answer();
    // What an older worker has left there is no result of this request, unless the request is about it.
    if (!understood && worker_->was_ready() && wire.text.find(protocol::kFirstResult) == std::string::npos)
        channel_->tensors()->remove(protocol::kFirstResult);
    AsyncCalls::throw_if_cancelled();
    try {
        core_.request_begins(*channel_, request.id);
        protocol::tell_places(wire.text, channel_->tensors()->places());
        channel_->carrier().publish(wire.text);
    } catch (...) {
        core_.request_ended(*channel_, request.id);
        throw;
    }
    request.command = std::move(wire.command);
    request.owner = {channel::this_thread(), handle};
    request.sent = now;
    if (core_.post_mortem.wanted()) {
        request.text = std::move(wire.text);
        if (!tensors.empty()) request.tensors = &tensors;
    }
    if (core_.supervisor.quarantine() != nullptr)
        request.identity = identity_of(with_arguments(message, attached.arguments), tensors);
    auto event = core_.event(SessionEvent::Kind::sent, worker_.get());
    event.request_id = request.id;
    event.bytes = bytes_of(tensors);
    channel_->begin(std::move(request));
    if (handle) core_.inbox.sent(channel_->request()->id);
    event.command = channel_->request()->command;
    core_.record(event);
}

/// While no request is in flight there is none to wait for.
void Conversation::drop_stray_answer() {
    if (channel_->carrier().response_pending()) channel_->carrier().acknowledge();
}

/// An older worker would pass over them, so what it says of itself is waited for.
void Conversation::require_features(const protocol::Request& wire, const protocol::Attached& attached,
                                    Deadline deadline) {
    core_.wait_for_hello(*this, *worker_, deadline);
    const auto& first = core_.first();
    if ((!wire.has_arguments || first.worker_has(protocol::kArgumentsFeature)) &&
        (attached.names.empty() || first.worker_has(protocol::kNamesFeature)))
        return;
    const auto hello = first.hello();
    if (wire.has_arguments) protocol::require_arguments_feature(hello, wire.command);
    if (!attached.names.empty()) protocol::require_names_feature(hello, wire.command);
}

/// A further channel is made when it is needed first, for each worker anew.
void Conversation::require_channel(Deadline deadline) {
    if (core_.is_open(*channel_, *worker_)) return;
    core_.wait_for_hello(*this, *worker_, deadline);
    if (!worker_->alive()) fail(death(true));
    core_.open_further(*channel_, *worker_);
}

void Conversation::settle_previous(Deadline deadline) {
    if (channel_->request()) {
        const bool wanted = channel_->state() != Exchange::given_up;
        Answer answer = receive(deadline, {kForAnAnswer.text, true});
        if (wanted) {
            core_.inbox.put(std::move(answer));
            core_.turns.wake();  // who waits for it would look again before long
            core_.changed();
        }
    }
    core_.inbox.leave_own();
}

Answer Conversation::exchange(const std::vector<TensorView>& tensors, const std::string& message, Deadline deadline,
                              const protocol::Attached& attached) {
    begin(tensors, message, deadline, attached);
    try {
        return checked(receive(deadline));
    } catch (...) {
        give_up();
        throw;
    }
}

void Conversation::give_up() noexcept {
    if (!channel_->request()) return;
    happened(Event::gave_up);
    channel_->note([](channel::Request& request) {
        if (!request.given_up) request.given_up = Deadline::Clock::now();
    });
    try {
        if (worker_->alive()) channel_->cancel();
    } catch (const TRException&) {
        // There is no room to say so: its answer is read and dropped all the same.
    }
}

void Conversation::happened(Event event) {
    const auto id = channel_->request() ? channel_->request()->id : 0;
    channel_->happened(event);
    if (id != 0 && channel_->state() == Exchange::idle) core_.request_ended(*channel_, id);
}

void Conversation::forget_request() {
    happened(Event::lost);
}

// -------------------------------------------------------------------------------------------------------- receiving

Answer Conversation::receive(Deadline deadline, Purpose purpose) {
    Answer answer = receive_part(deadline, purpose);
    while (answer.more) {
        Answer part = receive_part(deadline, purpose);
        if (!part.names.empty() || !answer.names.empty()) {
            answer.names.resize(answer.tensors.size());
            part.names.resize(part.tensors.size());
        }
        put_before(part.tensors, answer.tensors);
        put_before(part.names, answer.names);
        if (answer.error) part.error = answer.error;
        answer = std::move(part);
    }
    return answer;
}

Answer Conversation::receive_part(Deadline deadline, Purpose purpose) {
    std::optional<Answer> answer;
    wait_until(deadline, purpose, [this, &answer] {
        answer = take_answer();
        return answer.has_value();
    });
    return std::move(*answer);
}

std::optional<Answer> Conversation::take_answer() {
    auto& carrier = channel_->carrier();
    const auto& request = *channel_->request();
    Answer answer;
    try {
        const auto text = carrier.take();
        if (!text) return std::nullopt;
        protocol::Response response = protocol::parse_response(*text);
        // To a request of long ago; one without an id can only be to the request in flight.
        if (response.id && *response.id != request.id) {
            carrier.acknowledge();
            return std::nullopt;
        }
        TR_SEQUENCE_POINT("answer read");
        answer = read_answer(std::move(response));
        TR_SEQUENCE_POINT("tensors held");
    } catch (const InputError&) {
        answer = answer_of(request);
        answer.error = std::current_exception();  // an answer that makes no sense is one all the same
    }
    throw_if_damaged();
    if (answer.error) name_tensors();
    // Of a request that was given up, that was the failure, and is kept.
    if (answer.error && core_.post_mortem.wanted() && channel_->state() != Exchange::given_up)
        core_.keep(answer.error, *channel_, worker_.get());
    auto event = core_.event(SessionEvent::Kind::answered, worker_.get());
    event.request_id = request.id;
    event.command = answer.command;
    for (const auto& tensor : answer.tensors) event.bytes += tensor.nbytes();
    const auto now = Deadline::Clock::now();
    event.duration_us = std::chrono::duration<double, std::micro>(now - request.sent).count();
    if (!answer.more) core_.supervisor.answered(request.identity);  // what comes after a part may end the worker
    happened(answer.more ? Event::part_came : Event::answered);
    carrier.acknowledge();  // its tensors are held from here on, so the next ones may be written
    TR_SEQUENCE_POINT("answer acknowledged");
    core_.record(event);
    if (answer.more) carrier.ring_worker();
    if (channel_->tensors()->names_are_due(now)) name_tensors();
    channel_->tensors()->rest(now);
    return answer;
}

Answer Conversation::read_answer(protocol::Response response) {
    Answer answer = answer_of(*channel_->request());
    answer.text = std::move(response.text);
    answer.more = response.more;
    try {
        if (response.failure) {
            if (tells_of_leaving(*response.failure) && channel_->state() != Exchange::given_up) {
                worker_->says_leaving();
                // One that is ours is to be started again by start(), when it has gone. The end of another program's
                // is told as what it is.
                if (!worker_->is_ours() && worker_->wait(Deadline::after(kLeavingMs))) throw death(false);
            }
            protocol::throw_failure(*response.failure, answer.command);
        }
        if (response.leaving || answer.command == protocol::kExitCommand) worker_->says_leaving();
        const auto places = protocol::parse_places(response.buffers);
        for (const auto& tag : response.tensors) {
            if (response.older_spelling && protocol::find_place(places, tag) == nullptr &&
                !channel_->tensors()->has(tag)) {
                answer.tensors.clear();  // words, not tags
                break;
            }
            answer.tensors.push_back(channel_->tensors()->load(tag, places));
        }
        if (!response.names.empty()) answer.names = names_of(response);
        answer.values = std::move(response.values);
        // An older worker may leave it to the host to know where its result is. Once it has been taken, it is no result
        // of a later request.
        if (answer.tensors.empty() && response.names_no_tensors && channel_->tensors()->has(protocol::kFirstResult)) {
            answer.tensors.push_back(channel_->tensors()->load(protocol::kFirstResult));
            channel_->tensors()->remove(protocol::kFirstResult);
        }
    } catch (const TRException&) {
        answer.error = channel_->is_there() ? std::current_exception() : std::make_exception_ptr(vanished());
    }
    return answer;
}

Answer Conversation::answer_to(std::uint64_t request, Deadline deadline, Purpose purpose) {
    if (auto kept = core_.inbox.take(request)) return std::move(*kept);
    if (!channel_->request() || channel_->request()->id != request || channel_->state() == Exchange::given_up)
        core_.throw_read_before(request);
    asked_for_ = request;
    return receive(deadline, purpose);
}

Answer Conversation::checked(Answer answer) {
    if (!answer.error) return answer;
    note_failure(answer.error, false);  // it was kept when it came
    std::rethrow_exception(answer.error);
}

void Conversation::settle_lost() {
    if (!channel_->request()) return;
    const bool wanted = channel_->state() != Exchange::given_up && !channel_->request()->told;
    const auto lost_stream = channel_->request()->lost;
    const auto tell = [&](Answer answer) {
        if (!wanted) return;
        if (lost_stream)
            *lost_stream = answer.error;
        else
            core_.inbox.put(std::move(answer));
    };
    while (auto answer = channel_->request() ? take_answer() : std::nullopt)
        if (!answer->more) tell(std::move(*answer));
    if (!channel_->request()) return;
    Answer lost = answer_of(*channel_->request());
    if (wanted) lost.error = std::make_exception_ptr(death(false));
    forget_request();
    tell(std::move(lost));
}

std::vector<Tensor> tensors_of(Answer answer) {
    if (answer.tensors.empty())
        throw InputError("'" + answer.command + "' answered without a tensor, with the text '" + answer.text +
                         "'; read it with fetch_response(), or have the server call send_tensors()");
    return std::move(answer.tensors);
}

}  // namespace tr::session
