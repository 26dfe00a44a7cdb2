// How a thread holds a channel, waits there, and what it says when that was in vain. requests.cpp sends and receives.
#include "session/conversation.h"

#include <atomic>
#include <string>
#include <utility>

#include "platform/host.h"
#include "platform/interrupt.h"
#include "platform/mapping_guard.h"
#include "protocol/names.h"
#include "protocol/records.h"
#include "session/core.h"
#include "worker/death_report.h"
#include "worker/launch_plan.h"
#include "worker/start_advice.h"

namespace tr::session {

using channel::Event;
using channel::Exchange;
using platform::Deadline;

namespace {
constexpr std::chrono::milliseconds kRecheck(1024);  ///< a ring is a hint: the truth is looked at this often anyway
/// From here on there is time for names that are behind. Not less: a timer before the next tick costs a virtual machine
/// 20 µs.
constexpr std::chrono::milliseconds kShort(50);
}  // namespace

// ---------------------------------------------------------------------------------------------------------- holding

Conversation::Conversation(Core& core, Deadline deadline) : core_(core), channel_(nullptr) {
    core.log.refuse_in_callback();
    turn_ = core.turns.for_request(deadline);
    if (!turn_) core.throw_taken();
    channel_ = &core.channel(turn_.channel);
    renew();
}

Conversation::Conversation(Core& core, Turns::Turn turn) : core_(core), turn_(turn), channel_(nullptr) {
    if (!turn_) return;
    channel_ = &core.channel(turn_.channel);
    renew();
}

Conversation::Conversation(Core& core, channel::Channel& channel) : core_(core), channel_(&channel) {
    renew();
}

Conversation::~Conversation() {
    if (!turn_) return;
    const auto& request = channel_->request();
    const bool wanted = request && channel_->state() != Exchange::given_up;
    core_.turns.release(turn_, wanted ? std::optional(Turns::Unread{request->id, request->owner}) : std::nullopt);
    core_.changed();
}

void Conversation::renew() {
    worker_ = core_.worker();
}

void Conversation::park() {
    core_.turns.park(turn_);
    core_.changed();
}

bool Conversation::resume() {
    if (core_.turns.resume(turn_)) return true;
    turn_ = {};
    return false;
}

bool Conversation::still_held() const {
    return core_.turns.holds(turn_);
}

// ---------------------------------------------------------------------------------------------------------- waiting

void Conversation::require_worker() const {
    core_.require_worker(worker_.get());
}

bool Conversation::hear() {
    if (channel_->ready()) return true;
    try {
        if (const auto news = channel_->hear()) core_.heard(*worker_, *channel_, *news);
    } catch (const RetryError&) {
        note_failure(std::current_exception());
        leave_further();  // which the worker has refused; there may be room for the next one
        throw;
    }
    return channel_->ready();
}

void Conversation::wait_until(Deadline deadline, Purpose purpose, const std::function<bool()>& done) {
    require_worker();
    if (channel_->directory() == nullptr) fail(death(purpose.unsent));  // terminate() has let go of another's worker
    channel_->carrier().expect();
    bool names_are_behind = channel_->tensors()->names_are_behind();
    std::optional<Deadline::Clock::time_point> begin;
    // Looked at before the limit passes, as from then on the caller is to have control again.
    std::optional<std::pair<Deadline::Clock::time_point, worker::Liveness>> before;
    for (;;) {
        hear();
        const bool started = worker_->was_ready();
        auto& carrier = channel_->carrier();
        carrier.prepare();
        if (done()) return;
        if (!worker_->alive()) {
            // Its last acts: what it answered, and that it was ready to take a request.
            if (done()) return;
            hear();
            fail(death(purpose.unsent));
        }
        const Deadline limit = started ? deadline : deadline.sooner(worker_->launched().limit);
        const auto now = Deadline::Clock::now();
        if (!begin)
            begin = now;
        else if (!channel_->is_first() && !channel_->is_there())
            fail_as_vanished();                                       // of the first one the worker's end tells
        if (before && before->first != limit.when()) before.reset();  // that was the limit of the start
        const auto examined = [&] { return worker::examine(*worker_, *channel_, limit); };
        if (limit.when() <= now) {
            const auto passed =
                timeout(purpose.text, before ? before->second : examined(), limit.when() < deadline.when());
            if (purpose.asks) throw passed;
            fail(passed);
        }
        throw_if_damaged();
        AsyncCalls::throw_if_cancelled();
        if (names_are_behind && now - *begin >= kShort) {
            name_tensors();
            names_are_behind = false;
        }
        const auto patience = std::min<Deadline::Clock::duration>(worker::kSignOfLife, (limit.when() - *begin) / 2);
        const auto ask = limit.when() - patience;
        if (!before && ask <= now)
            before.emplace(limit.when(), examined());
        else
            carrier.wait(
                Deadline::at(now + (names_are_behind ? kShort : kRecheck)).sooner(before ? limit : Deadline::at(ask)));
        detail::check_interrupt();
    }
}

void Conversation::name_tensors() noexcept {
    try {
        channel_->tensors()->name_all();
    } catch (const TRException&) {
        // They stay behind. Who needs them tries again, and says what is wrong.
    }
}

// --------------------------------------------------------------------------------------------------------- failures

void Conversation::note_failure(const std::exception_ptr& error, bool keep) {
    std::string text;
    try {
        std::rethrow_exception(error);
    } catch (const TRException& failure) {
        text = to_string(failure.code()) + ": " + failure.what();
    } catch (...) {
    }
    auto event = core_.event(SessionEvent::Kind::failed, worker_.get());
    event.error = text;
    if (const auto& request = channel_->request()) {
        event.request_id = request->id;
        event.command = request->command;
    }
    core_.record(event);
    if (channel_->tensors()) name_tensors();  // for who looks into the directory
    if (keep && core_.post_mortem.wanted()) core_.keep(error, *channel_, worker_.get());
}

/// What to throw when the worker is found dead.
RestartError Conversation::death(bool unsent) {
    worker::Death found;
    found.session_id = core_.id();
    const auto& launched = worker_->launched();
    // Looked at only when a worker has ended before it was ready, which is how an interpreter that is too old shows.
    // Several threads may come to know of it at once.
    static std::atomic<unsigned> looks{0};
    const auto status = worker_->status();
    const bool killed = status && status->known && status->signal != 0;
    if (!worker_->was_ready() && worker_->is_ours() && !killed)
        found.unfit =
            why_unfit(launched.interpreter, launched.directory + "/.tmp-" + std::to_string(platform::process_id()) +
                                                "-version-" + std::to_string(++looks));
    if (const auto& request = channel_->request()) {
        found.request.emplace();
        found.request->id = request->id;
        found.request->command = request->command;
        found.request->taken = channel_->request_was_taken();
        if (found.request->taken) found.progress = channel_->progress();
        found.request->idempotent = core_.supervisor.is_idempotent(request->command);
        if (auto* quarantine = core_.supervisor.quarantine(); quarantine && found.request->taken)
            found.request->deaths = quarantine->count_death(request->identity, worker_->pid());
        channel_->note([this](channel::Request& known) {
            const bool nobody_elses = channel::is_this_thread(known.owner.thread) && known.owner.handle.expired();
            known.told = known.told || nobody_elses || known.id == asked_for_;
        });
    }
    core_.death_is_told(*worker_);
    found.unsent = unsent;
    found.of_older_kind = worker_->was_ready() && !channel_->is_understood();
    found.on_purpose = core_.supervisor.ended_on_purpose();
    found.being_replaced = core_.supervisor.restart_under_way();
    found.remedy = core_.supervisor.remedy();
    found.next_call_starts = core_.supervisor.recovers() && !found.on_purpose;
    if (!channel_->is_there()) found.removed_directory = channel_->path();
    auto error = worker::report(*worker_, found);
    if (!found.on_purpose) {
        auto event = core_.event(SessionEvent::Kind::died, worker_.get());
        event.error = error.what();
        core_.record(event);
    }
    return error;
}

/// Of a further channel: the next request makes another.
void Conversation::fail_as_vanished() {
    const auto error = vanished();
    note_failure(std::make_exception_ptr(error));
    leave_further();
    throw error;
}

void Conversation::leave_further() {
    if (channel_->request()) forget_request();
    if (channel_ != &core_.first()) channel_->leave();
}

/// Of the request in flight, which the worker has had.
RestartError Conversation::vanished() const {
    const auto& request = channel_->request();
    const bool idempotent = request && core_.supervisor.is_idempotent(request->command);
    const std::string work = request ? " while the worker was at work on request " + std::to_string(request->id) +
                                           worker::effect(request->command, idempotent)
                                     : "";
    const std::string remedy = !worker_->is_ours()    ? "; it was a channel of the worker of process " +
                                                            std::to_string(worker_->launched().owner) +
                                                            ": restart() takes another, where that runs one"
                               : channel_->is_first() ? "; start() makes a new one"
                                                      : "; the next request makes a new one";
    return RestartError(
        "the directory of session '" + core_.id() + "', '" + channel_->path() + "', has been removed" + work + remedy,
        ErrorCode::server_error, !request || idempotent);
}

/// With a worker that shortens files which are mapped, nothing that lies in them can be relied on: it is killed.
std::optional<RestartError> Conversation::damage() {
    return core_.damage(worker_.get());
}

void Conversation::throw_if_damaged() {
    if (!platform::any_damage()) return;
    if (const auto error = damage()) fail(*error);
}

/// @param of_start the limit that has passed is not the call's, but that of the worker's start
/// A server that does not notice goes on, and the next request waits for its end.
static std::string given_up(const channel::Request& request) {
    if (!request.given_up) return {};
    return "; that one was cancelled " + std::to_string(worker::milliseconds_since(*request.given_up)) +
           " ms ago, and goes on as its server does not look (self.cancelled())";
}

TimeoutError Conversation::timeout(const char* purpose, const worker::Liveness& found, bool of_start) const {
    const std::string passed =
        of_start ? "SessionOptions::start_timeout_ms, " + std::to_string(core_.options.start_timeout_ms) + " ms, passed"
                 : "the time limit passed";
    std::string message = passed + " while waiting " + purpose + " in session '" + core_.id() + "': the worker (pid " +
                          std::to_string(worker_->pid()) + ") is ";
    const auto& request = channel_->request();
    if (!worker_->was_ready())
        message += "not ready yet";
    else if (request)
        message += "at work on request " + std::to_string(request->id) + " '" + request->command + "' since " +
                   std::to_string(worker::milliseconds_since(request->sent)) + " ms" + given_up(*request);
    else
        message += "alive and idle";
    if (!found.progress.empty()) message += ", its status is '" + found.progress + "'";
    const auto where =
        protocol::parse_where(found.where, worker_->was_ready() && request ? std::optional(request->id) : std::nullopt);
    if (where) message += ", its code stands at " + where->place;
    if (found.condition == worker::Condition::wedged)
        message +=
            "; its interpreter does not run: native code keeps it from it (holds the GIL), or the machine is "
            "very busy; it may never come back: restart() ends it";
    else if (found.condition == worker::Condition::stopped)
        message += "; the process is stopped, by a signal (SIGSTOP) or a debugger: continue it with SIGCONT";
    else if (!worker_->was_ready() && !worker::older_module_advice(worker_->launched()).empty())
        message += worker::older_module_advice(worker_->launched());
    else if (of_start)
        message += "; its imports and on_start may take longer than that: raise start_timeout_ms, and restart()";
    else if (found.silent_ms)
        message += "; it gave no sign of life in the " + std::to_string(*found.silent_ms) +
                   " ms that the limit left for one: probe() waits longer for it, and tells slow from wedged";
    else
        message += found.interpreter_runs ? "; its interpreter runs, so it is merely slow: give it longer"
                                          : "; give it longer";
    return TimeoutError(message + ", or see '" + worker_->launched().directory + "/" + protocol::kLogFile + "'", {},
                        where ? where->stack : "");
}

}  // namespace tr::session
