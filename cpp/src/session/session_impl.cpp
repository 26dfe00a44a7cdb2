#include "session/session_impl.h"

#include <system_error>
#include <utility>

#include "carrier/place_error.h"
#include "platform/file.h"
#include "platform/host.h"
#include "platform/sequence_point.h"
#include "protocol/names.h"
#include "session/interrupt.h"
#include "session/turn_lock.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

using platform::Deadline;
constexpr std::chrono::milliseconds kRecheck(1024);  ///< a ring is a hint: the truth is looked at this often anyway
constexpr std::int64_t kExitMs = 2'000;              ///< for an idle worker to leave when its session goes

void refuse_negative(const SessionOptions& options) {
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
}

}  // namespace

PythonSession::Impl::Impl(SessionOptions options)
    : options_(std::move(options)),
      session_id_(options_.session_id.empty() ? unique_session_id() : options_.session_id),
      log_(options_.log, options_.quiet, session_id_),
      owner_pid_(platform::process_id()) {
    protocol::require_tag(session_id_, "a session id");
    refuse_negative(options_);
}

PythonSession::Impl::~Impl() {
    try {
        if (is_ready())
            please_exit(kExitMs, true);
        else
            terminate();
    } catch (const std::exception& error) {
        log_(LogLevel::warning, std::string("while stopping: ") + error.what());
    }
    {
        std::unique_lock<std::mutex> lock(async_mutex_);  // with the worker gone they end at once
        async_done_.wait(lock, [this] { return async_running_ == 0; });
    }
    process_.reset();
}

void PythonSession::Impl::throw_inherited() const {
    throw InputError("session '" + session_id_ + "' belongs to process " + std::to_string(owner_pid_) +
                     ", from which this one (" + std::to_string(platform::process_id()) +
                     ") was forked: make a PythonSession of its own here");
}

Deadline PythonSession::Impl::deadline_of(std::int64_t timeout_ms) const {
    if (timeout_ms == kDefaultTimeout) timeout_ms = options_.default_timeout_ms;
    if (timeout_ms < 0)
        throw InputError("a time limit of " + std::to_string(timeout_ms) +
                         " ms makes no sense: expected milliseconds, or 0 to wait for ever");
    return Deadline::after(timeout_ms);
}

// ------------------------------------------------------------------------------------------------------------ state

bool PythonSession::Impl::is_alive() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    return process_ && process_->alive();
}

bool PythonSession::Impl::is_ready() {
    if (!is_alive()) return false;
    if (!ready_.load(std::memory_order_acquire)) {
        // Who has the turn relies on carrier_, which changes as the worker is heard, and hears it for itself.
        const TurnLock turn(*this, std::try_to_lock);
        if (!turn.held() || !ready()) return false;
    }
    return !is_busy();
}

bool PythonSession::Impl::is_busy() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    return process_ && process_->alive() && in_flight_ && !carrier_->response_pending();
}

/// There is a status, and not one that a worker leaves behind which came to its end before it was ready. With
/// state_mutex_ held.
bool PythonSession::Impl::status_is_of_a_server() const {
    constexpr std::size_t kMostBytes = 65'536;
    const std::string path = directory_->file(protocol::kStatusFile);
    if (!platform::file_exists(path)) return false;
    if (platform::file_exists(directory_->file(protocol::kHelloFile))) return true;
    try {
        const std::string text = platform::read_file(path, kMostBytes).value_or("");
        return text.rfind("error", 0) != 0 && text.rfind("exiting", 0) != 0;
    } catch (const std::system_error&) {
        return false;
    }
}

bool PythonSession::Impl::ready() {
    if (ready_.load(std::memory_order_acquire)) return true;
    std::string news;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        if (hello_ || older_worker_) return true;
        if (!directory_) return false;
        // The status is the last thing that a worker writes before it takes requests. An older one writes no hello.
        if (!status_is_of_a_server()) return false;
        std::optional<std::string> text;
        try {
            text = platform::read_file(directory_->file(protocol::kHelloFile), protocol::kMaxRecordBytes);
        } catch (const std::system_error& error) {
            const std::string attempt = "what the worker says of itself cannot be read";
            const std::string path = directory_->file(protocol::kHelloFile);
            if (!carrier::place_advice(error, path).empty()) carrier::throw_place_error(error, path, 0, attempt);
            throw InputError(attempt + ": " + error.what());
        }
        older_worker_ = !text;
        news = text ? hear(protocol::parse_hello(*text)) : "of an older kind, which says nothing of itself";
        ready_.store(true, std::memory_order_release);
    }
    log_(LogLevel::info, "worker ready: " + news);  // with no lock held, as the callback may ask for stats()
    return true;
}

/// The worker says what it is and which carrier it takes. With state_mutex_ held.
/// @returns the same for the log
std::string PythonSession::Impl::hear(protocol::Hello hello) {
    TR_SEQUENCE_POINT("hello heard");
    if (hello.epoch != stats_.epoch)
        throw InputError("hello.json is of another start of the worker: expected epoch " +
                         std::to_string(stats_.epoch) + ", found " + std::to_string(hello.epoch));
    stats_.worker_wake_up = hello.wake_up;
    if (hello.carrier == "mailbox" && mailbox_carrier_) {
        carrier_ = mailbox_carrier_;
        tensors_->share();
        // It may have looked for a request just before one was published, and waits for a ring from now on.
        if (in_flight_) carrier_->ring_worker();
        stats_.fallback.clear();  // a lower tier that was given up does not matter
    } else if (wake_up_ == WakeUp::futex) {
        throw InputError("wake-up tier 'futex' was asked for and the worker cannot use it: " + hello.fallback +
                         "; use WakeUp::automatic");
    } else if (stats_.fallback.empty()) {
        stats_.fallback = hello.fallback;
    }
    stats_.carrier = carrier_->name();
    stats_.host_wake_up = carrier_->tier();
    std::string line = "Python " + hello.python + ", carrier " + stats_.carrier + ", woken by " + hello.wake_up +
                       (stats_.fallback.empty() ? "" : " (" + stats_.fallback + ")");
    hello_ = std::move(hello);
    return line;
}

std::string PythonSession::Impl::session_dir() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    return directory_ ? directory_->path() : "";
}

void PythonSession::Impl::note_failure() {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    ++stats_.failures;
}

// ---------------------------------------------------------------------------------------------------------- waiting

void PythonSession::Impl::throw_if_never_started() const {
    if (process_) return;
    if (directory_lost_)
        throw RestartError("session '" + session_id_ +
                               "' has no worker: its directory was removed, and none could be started since; call "
                               "start(), or restart(), and send again",
                           ErrorCode::server_error, true);
    throw InputError("session '" + session_id_ + "' has no worker: call start() first");
}

void PythonSession::Impl::wait_until(Deadline deadline, const char* purpose, const std::function<bool()>& done) {
    throw_if_never_started();
    carrier_->expect();
    std::optional<Deadline::Clock::time_point> begin;
    // Looked at before the limit passes, as from then on the caller is to have control again.
    std::optional<std::pair<Deadline::Clock::time_point, Health>> before;
    for (;;) {
        const bool is_ready = ready();
        auto& carrier = *carrier_;
        carrier.prepare();
        if (done()) return;
        if (!process_->alive()) {
            // Its last acts: what it answered, and that it was ready to take a request.
            if (done()) return;
            ready();
            fail(death());
        }
        const Deadline limit = is_ready ? deadline : deadline.sooner(start_deadline_);
        const auto now = Deadline::Clock::now();
        if (!begin) begin = now;
        if (before && before->first != limit.when()) before.reset();  // that was the limit of the start
        if (limit.when() <= now)
            fail(timeout(purpose, before ? before->second : examine(limit), limit.when() < deadline.when()));
        throw_if_damaged();
        const auto ask = limit.when() - std::min<Deadline::Clock::duration>(kSignOfLife, (limit.when() - *begin) / 2);
        if (!before && ask <= now)
            before.emplace(limit.when(), examine(limit));
        else
            carrier.wait(Deadline::at(now + kRecheck).sooner(before ? limit : Deadline::at(ask)));
        detail::check_interrupt();
    }
}

void PythonSession::Impl::wait_until_ready(std::int64_t timeout_ms) {
    const Deadline deadline = deadline_of(timeout_ms);
    const TurnLock turn(*this, deadline);
    unsent_ = false;
    wait_until(deadline, "for the worker to be ready", [this] { return ready(); });
}

void PythonSession::Impl::wait_until_ok(std::int64_t timeout_ms) {
    const Deadline deadline = deadline_of(timeout_ms);
    const TurnLock turn(*this, deadline);
    Answer answer = own_answer(deadline);
    const auto error = answer.error;
    if (!error) {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        inbox_[this_thread()] = std::move(answer);
        return;
    }
    note_failure();
    std::rethrow_exception(error);
}

}  // namespace tr
