// What a session is made of.
#include "session/core.h"

#include <utility>

#include "platform/host.h"
#include "platform/interrupt.h"
#include "platform/mapping_guard.h"
#include "platform/stay_loaded.h"
#include "protocol/names.h"
#include "worker/death_report.h"
#include "worker/session_directory.h"

namespace tr::session {
namespace {

using platform::Deadline;
constexpr int kMostChannels = 1'024;

void check_numbers(const SessionOptions& options) {
    const auto& restart = options.restart;
    const std::pair<const char*, std::int64_t> fields[] = {
        {"SessionOptions::start_timeout_ms", options.start_timeout_ms},
        {"SessionOptions::default_timeout_ms", options.default_timeout_ms},
        {"RestartPolicy::attempts", restart.attempts},
        {"RestartPolicy::backoff_ms", restart.backoff_ms},
        {"RestartPolicy::max_backoff_ms", restart.max_backoff_ms},
        {"RestartPolicy::quarantine_after", restart.quarantine_after},
    };
    for (const auto& [name, value] : fields)
        if (value < 0) throw InputError(std::string(name) + " is " + std::to_string(value) + ": expected 0 or more");
    const int most = options.max_ongoing_requests;
    if (most < 1 || most > kMostChannels)
        throw InputError("SessionOptions::max_ongoing_requests is " + std::to_string(most) + ": expected 1 to " +
                         std::to_string(kMostChannels));
}

/// What would reach a program cut short.
void check_texts(const char* name, const std::vector<std::string>& texts) {
    for (const auto& text : texts)
        if (text.find('\0') != std::string::npos)
            throw InputError(std::string(name) + ": '" + text.substr(0, text.find('\0')) +
                             "' is followed by a zero byte: expected text without any");
}

const SessionOptions& checked(const SessionOptions& options) {
    check_texts("SessionOptions::arguments", options.arguments);
    if (!options.session_id.empty()) protocol::require_tag(options.session_id, "a session id");
    check_numbers(options);
    return options;
}

}  // namespace

Core::Core(SessionOptions session_options, bool attached)
    : options(checked(session_options)),
      name(options.session_id),
      log(options.log, options.quiet, name),
      record(options.observer, name),
      turns(static_cast<std::size_t>(options.max_ongoing_requests)),
      supervisor(options.restart),
      post_mortem(options, name, log),
      async(static_cast<std::size_t>(options.max_ongoing_requests)),
      owner_pid_(platform::process_id()),
      attached_(attached),
      launcher_(attached ? worker::Launcher::attached(options, id(), log)
                         : worker::Launcher::of_own(options, name, log)) {
    platform::stay_loaded();
    for (int i = 0; i < options.max_ongoing_requests; ++i)
        channels_.push_back(std::make_unique<channel::Channel>(i == 0 && !attached));
}

Core::~Core() {
    async.refuse();
    stop();
    async.join();  // with the worker gone its calls end at once
    events_in_use_.store(nullptr);
    events_.reset();
    set_worker(nullptr);
    while (channels_.size() > 1) channels_.pop_back();  // as their directories lie in that of the first
}

void Core::check_process() const {
    if (!inherited()) return;
    throw InputError("session '" + id() + "' belongs to process " + std::to_string(owner_pid_) +
                     ", from which this one (" + std::to_string(platform::process_id()) +
                     ") was forked: make a PythonSession of its own here");
}

Deadline Core::deadline_of(std::int64_t timeout_ms) const {
    if (timeout_ms == PythonSession::kDefaultTimeout) timeout_ms = options.default_timeout_ms;
    if (timeout_ms < 0)
        throw InputError("a time limit of " + std::to_string(timeout_ms) +
                         " ms makes no sense: expected milliseconds, or 0 to wait for ever");
    return Deadline::after(timeout_ms);
}

// ----------------------------------------------------------------------------------------------------------- worker

std::shared_ptr<worker::Worker> Core::worker() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return worker_;
}

void Core::set_worker(std::shared_ptr<worker::Worker> worker) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (worker) directory_lost_ = false;
        worker_.swap(worker);
    }
    told_death_of_.store(0);
    place_changed();
}

bool Core::is_alive() const {
    const auto now = worker();
    return now && now->alive();
}

bool Core::has_been_heard() {
    const auto now = worker();
    if (!now || !now->alive()) return false;
    if (now->was_ready()) return true;
    // Who has the turn relies on the carrier, which changes as the worker is heard, and hears it for itself.
    Conversation conversation(*this, turns.try_take(0));
    return conversation.held() ? conversation.hear() : hear_parked(*now);
}

bool Core::is_ready() {
    return has_been_heard() && !is_busy();
}

bool Core::is_busy() const {
    if (!is_alive()) return false;
    for (std::size_t i = 0; i < turns.count(); ++i)
        if (channel(i).is_busy()) return true;
    return false;
}

void Core::require_worker(const worker::Worker* worker) const {
    if (worker != nullptr) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (directory_lost_)
        throw RestartError("session '" + id() +
                               "' has no worker: its directory was removed, and none could be started since; call "
                               "start(), or restart(), and send again",
                           ErrorCode::server_error, true);
    throw InputError("session '" + id() + "' has no worker: call start() first");
}

void Core::throw_taken() const {
    throw TimeoutError(
        "session '" + id() +
        "' is taken by another thread's request, or by a stream that has not ended, and the time limit passed "
        "while waiting for it");
}

// --------------------------------------------------------------------------------------------------------- channels

void Core::wait_for_hello(Conversation& own, worker::Worker& worker, Deadline deadline) {
    const Purpose purpose{"for the worker to be ready", true, false};
    if (&own.channel() == &first()) return own.wait_until(deadline, purpose, [&own] { return own.hear(); });
    while (!first().ready() && worker.alive() && !hear_parked(worker)) {
        const Deadline limit = deadline.sooner(worker.launched().limit);
        Conversation first_one(*this, turn_to_hear(worker, limit));
        if (first_one.held()) return first_one.wait_until(deadline, purpose, [&first_one] { return first_one.hear(); });
        if (limit.passed()) own.fail(own.timeout(purpose.text, {}, limit.when() < deadline.when()));
        detail::check_interrupt();
        AsyncCalls::throw_if_cancelled();
    }
}

void Core::wait_for_hello(Deadline deadline) {
    const auto now = worker();
    while (now && now->alive() && !first().ready() && !hear_parked(*now)) {
        Conversation first_one(*this, turn_to_hear(*now, deadline));
        if (first_one.held())
            return first_one.wait_until(deadline, {"for the worker to be ready"},
                                        [&first_one] { return first_one.hear(); });
        if (deadline.passed()) throw_taken();
        detail::check_interrupt();
    }
}

Turns::Turn Core::turn_to_hear(const worker::Worker& worker, Deadline deadline) {
    constexpr std::int64_t kStepMs = 20;
    const Deadline step = Deadline::after(kStepMs).sooner(deadline);
    if (attached_) return turns.for_channel(0, step);  // the worker was ready before this session knew of it
    if (const auto turn = turns.try_take(0)) return turn;
    worker.wait_until_ready(step);  // who has the channel hears the worker
    return {};
}

void Core::wait_until_ready(Deadline deadline) {
    log.refuse_in_callback();
    Conversation conversation(*this, turns.for_channel(0, deadline));
    if (!conversation.held()) throw_taken();
    conversation.wait_until(deadline, {"for the worker to be ready", false, true},
                            [&] { return conversation.hear() && is_alive(); });
}

bool Core::hear_parked(worker::Worker& worker) {
    std::optional<std::string> news;
    turns.while_parked(0, [&] { news = first().hear(); });
    if (news) heard(worker, first(), *news);
    return first().ready();
}

void Core::heard(worker::Worker& worker, const channel::Channel& channel, const std::string& news) {
    if (channel.is_first()) {
        worker.says_ready();
        launcher_->confirm();
        record(event(SessionEvent::Kind::ready, &worker));
        log(LogLevel::info, "worker ready: " + news);  // with no lock held: the callback may ask for stats()
    }
    worker.wake_at_end(channel.carriers());
    place_changed();  // to the carrier that it has chosen
}

void Core::open_further(channel::Channel& channel, const worker::Worker& worker) {
    const auto hello = first().hello();
    // Of another program's worker that was looked at before.
    if (!attached_ && !(hello && hello->has_feature("channels")))
        throw InputError("the worker of session '" + id() +
                         "' serves one request at a time: its package tech_renaissance is older than this library. "
                         "Set SessionOptions::max_ongoing_requests to 1");
    if (const auto tensors = first().shared_tensors()) tensors->name_all();
    channel.leave();
    worker::Further further;
    further.session_directory = launcher_->session_directory();
    further.session_id = id();
    further.tags_of = attached_ ? first().name() : "";
    further.has_tags_of = true;
    further.epoch = worker.epoch();
    further.busy_wait_us = worker::effective_busy_wait(options);
    further.first = attached_ ? first().bell() : first().mailbox();
    if (!further.first) further.wake_up = worker::effective_wake_up(options);
    worker::open_further(channel, further);
    worker.wake_at_end(channel.carriers());
    place_changed();
}

void Core::request_begins(const channel::Channel& channel, std::uint64_t request) {
    channel.tensors()->request_begins(request);
    if (&channel == &first()) return;
    // In which this request may look for a tag, and would not be told where it lies.
    if (const auto tensors = first().shared_tensors()) tensors->request_begins(request, true);
}

void Core::request_ended(const channel::Channel& channel, std::uint64_t request) {
    if (channel.tensors()) channel.tensors()->request_ended(request);
    if (&channel == &first()) return;
    if (const auto tensors = first().shared_tensors()) tensors->request_ended(request);
}

bool Core::has_died() const {
    const auto now = worker();
    return now && !now->alive();
}

bool Core::mailboxes(std::vector<std::shared_ptr<channel::Mailbox>>& found) const {
    bool all = true;
    for (std::size_t i = 0; i < turns.count(); ++i) {
        if (const auto mailbox = channel(i).mailbox())
            found.push_back(mailbox);
        else
            all = all && channel(i).path().empty();  // one that has not been opened has nothing to tell
    }
    return all;
}

void Core::wake_all() const {
    for (std::size_t i = 0; i < turns.count(); ++i)
        for (const auto& carrier : channel(i).carriers())
            if (carrier) carrier->wake();
}

std::optional<RestartError> Core::damage(const worker::Worker* worker) const {
    if (!platform::any_damage()) return std::nullopt;
    std::string file;
    for (std::size_t i = 0; i < turns.count() && file.empty(); ++i)
        if (const std::string path = channel(i).path(); !path.empty()) file = platform::take_damage(path);
    if (file.empty()) return std::nullopt;
    if (worker != nullptr) {
        worker->process().kill();
        worker->wait(Deadline::never());
    }
    return RestartError("'" + file + "' of session '" + id() +
                        "' was cut short while it was mapped: expected that nobody shortens the files of a session; "
                        "what was lost reads as zeros. The worker has been killed: look for what touches its "
                        "directory, and start() again");
}

void Core::refuse_quarantined(const std::string& message, const std::vector<TensorView>& tensors) const {
    const int deaths = supervisor.quarantine() ? supervisor.quarantine()->deaths_of_refused(message, tensors) : 0;
    if (deaths == 0) return;
    throw InputError("the request '" + identity_of(message, tensors) + "' is refused: it was at work when " +
                         worker::workers(deaths) + " died, and was never answered. See what it does in '" +
                         launcher_->session_directory() + "/" + protocol::kLogFile +
                         "', then call clear_quarantine() to let it through again",
                     ErrorCode::permission_denied);
}

std::string Core::directory() const {
    const std::string found = first().path();
    return found.empty() && !attached_ ? session_path(options.workspace, id()) : found;
}

void Core::keep(const std::exception_ptr& error, const channel::Channel& channel, const worker::Worker* worker) {
    post_mortem.keep(error, channel, launcher_->session_directory(), worker, launcher_->command_line(), stats());
}

}  // namespace tr::session
