// Starting workers in place of dead ones, and what becomes of the requests that those had. See RestartPolicy.
#include "session/recovery.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "protocol/names.h"
#include "session/interrupt.h"
#include "session/session_impl.h"
#include "session/turn_lock.h"
#include "tech_renaissance/data/dtype.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

using platform::Deadline;

std::string identity_of(const std::string& message, const std::vector<TensorView>& tensors) {
    constexpr std::size_t kMostShown = 200;
    std::string identity = message.substr(0, kMostShown);
    if (message.size() > kMostShown)
        identity += "... (" + std::to_string(message.size()) + " bytes, hash " +
                    std::to_string(std::hash<std::string>{}(message)) + ")";
    for (const auto& tensor : tensors) identity += ", " + to_string(tensor.dtype()) + " " + tensor.shape().to_string();
    return identity;
}

/// Keeps the calls of other threads from starting workers themselves while a restart() is under way.
class PythonSession::Impl::Restarting {
  public:
    explicit Restarting(Impl& session) : session_(session) {
        {
            const std::lock_guard<std::mutex> lock(session_.state_mutex_);
            ++session_.restarts_;
            session_.stopped_ = false;  // a worker is wanted again, also should this fail
        }
        session_.stop_changed_.notify_all();
    }
    ~Restarting() {
        const std::lock_guard<std::mutex> lock(session_.state_mutex_);
        --session_.restarts_;
    }
    Restarting(const Restarting&) = delete;
    Restarting& operator=(const Restarting&) = delete;

  private:
    Impl& session_;
};

void PythonSession::Impl::restart(std::int64_t timeout_ms) {
    log_.refuse_in_callback();
    const Deadline deadline = deadline_of(timeout_ms);
    check_start();  // a worker that works is not ended for one that cannot be started
    std::shared_ptr<platform::Process> process;
    std::uint64_t epoch = 0;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        process = process_;
        epoch = stats_.epoch;
    }
    const Restarting restarting(*this);
    end_worker(process);                 // before the turn is waited for: it ends the wait of whoever has it
    const auto needed = [this, epoch] {  // else another thread has done it meanwhile
        const std::lock_guard<std::mutex> lock(state_mutex_);
        return stats_.epoch == epoch || !process_ || !process_->alive();
    };
    const TurnLock turn(*this, deadline, needed);
    unsent_ = false;
    if (needed()) bring_up(deadline);
    wait_until(deadline, "for the new worker to be ready", [this] { return ready(); });
}

/// It has died, and nobody meant it to; or there is none since the directory was removed.
bool PythonSession::Impl::worker_is_gone() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    return !ended_on_purpose() && (process_ ? !process_->alive() : directory_lost_);
}

/// Looked at after a failure alone, as it asks the file system. A worker may live on without its directory for a while.
bool PythonSession::Impl::directory_is_gone() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    return !ended_on_purpose() && directory_ && !directory_->is_there();
}

void PythonSession::Impl::start_again(Deadline deadline) {
    unsent_ = true;
    if (is_alive()) {
        log_(LogLevel::warning, "the session directory has been removed; its worker is ended");
        end_worker(process_);
    }
    back_off(deadline);
    if (process_) log_(LogLevel::warning, "the worker " + process_->status()->describe() + "; another one is started");
    last_start_ = Deadline::Clock::now();
    ++starts_in_row_;
    troubled_ = true;
    bring_up(deadline);
}

/// Waits before a start that follows another in vain, or throws when that is longer than the caller has time.
void PythonSession::Impl::back_off(Deadline deadline) {
    if (starts_in_row_ == 0) return;
    constexpr int kMostDoublings = 30;
    const auto& policy = options_.restart;
    constexpr std::int64_t kMostMs = 10LL * 365 * 24 * 3600 * 1000;  // more would overflow the clock
    const std::int64_t factor = std::int64_t{1} << std::min(starts_in_row_ - 1, kMostDoublings);
    const std::int64_t limit = std::min(policy.max_backoff_ms, kMostMs);
    const std::int64_t pause = std::min(std::min(policy.backoff_ms, limit / factor + 1) * factor, limit);
    const auto until = Deadline::at(last_start_ + std::chrono::milliseconds(pause));
    std::unique_lock<std::mutex> lock(state_mutex_);
    while (!ended_on_purpose() && !until.passed() && until.when() < deadline.when()) {
        constexpr std::int64_t kStepMs = 200;  // a signal does not end this wait
        stop_changed_.wait_until(lock, Deadline::after(kStepMs).sooner(until).when());
        lock.unlock();
        detail::check_interrupt();
        lock.lock();
    }
    const bool on_purpose = ended_on_purpose();
    lock.unlock();
    if (until.passed()) return;
    throw_if_never_started();
    if (on_purpose) throw death();
    throw RestartError(
        "the worker of session '" + session_id_ + "' (pid " + std::to_string(process_->pid()) + ") " +
            process_->status()->describe() + "; another one is not started for " +
            std::to_string(until.remaining_ms(INT64_MAX)) + " ms yet, as " + std::to_string(starts_in_row_) +
            (starts_in_row_ == 1 ? " was" : " were") +
            " started in a row and none has answered a request, and the limit of this call is shorter; the request "
            "may be sent again: later, with a longer limit, or after restart(), which does not wait; "
            "RestartPolicy::backoff_ms and max_backoff_ms set the pause",
        ErrorCode::server_error, true);
}

/// Before a new worker starts: an answer of the old one that has come whole still counts, and whoever sent a request
/// that is lost gets to know.
void PythonSession::Impl::settle_lost() {
    if (!in_flight_) return;
    const auto owner = in_flight_->owner;
    const bool wanted = !in_flight_->abandoned && !in_flight_->told;
    const auto lost_stream = in_flight_->lost;
    while (const auto answer = in_flight_ ? take_answer() : std::nullopt) {
        if (answer->more || !wanted) continue;
        const std::lock_guard<std::mutex> lock(state_mutex_);
        if (lost_stream)
            *lost_stream = answer->error;
        else
            inbox_[owner] = *answer;
    }
    if (!in_flight_) return;
    Answer lost;
    lost.command = in_flight_->command;
    if (wanted) {
        const bool unsent = std::exchange(unsent_, false);  // it is about that request
        lost.error = std::make_exception_ptr(death());
        unsent_ = unsent;
    }
    tensors_->request_ended();
    const std::lock_guard<std::mutex> lock(state_mutex_);
    if (wanted && lost_stream)
        *lost_stream = lost.error;
    else if (wanted)
        inbox_[owner] = std::move(lost);
    in_flight_.reset();
}

bool PythonSession::Impl::is_idempotent(const std::string& command) const {
    const auto& names = options_.restart.idempotent;
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return name == "*" || name == command; });
}

// ------------------------------------------------------------------------------------------------------- quarantine

/// Notes that the request in flight was at work when the worker died. With state_mutex_ held.
/// @returns whether it is in quarantine from now on
bool PythonSession::Impl::count_death() {
    if (!recovers() || options_.restart.quarantine_after <= 0) return false;
    int& deaths = deaths_[in_flight_->identity];
    if (!std::exchange(in_flight_->counted, true)) ++deaths;
    troubled_ = true;
    return deaths >= options_.restart.quarantine_after;
}

void PythonSession::Impl::refuse_quarantined(const std::string& message, const std::vector<TensorView>& tensors) const {
    if (!troubled_) return;
    const std::string identity = identity_of(message, tensors);
    const std::lock_guard<std::mutex> lock(state_mutex_);
    const auto found = deaths_.find(identity);
    if (found == deaths_.end() || found->second < options_.restart.quarantine_after) return;
    throw InputError("the request '" + identity + "' is refused: it was at work when " + workers(found->second) +
                         " died, and was never answered. See what it does in '" + directory_->file(protocol::kLogFile) +
                         "', then call clear_quarantine() to let it through again",
                     ErrorCode::permission_denied);
}

void PythonSession::Impl::clear_quarantine() {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    deaths_.clear();
}

/// The request in flight has been answered, so the worker works. With state_mutex_ held.
void PythonSession::Impl::note_answer() {
    deaths_.erase(in_flight_->identity);
    starts_in_row_ = 0;
    troubled_ = !deaths_.empty();
}

}  // namespace tr
