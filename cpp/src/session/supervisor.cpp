#include "session/supervisor.h"

#include <algorithm>

#include "platform/interrupt.h"

namespace tr::session {

using platform::Deadline;

Supervisor::Supervisor(const RestartPolicy& policy)
    : policy_(policy),
      quarantine_(policy.attempts > 0 && policy.quarantine_after > 0
                      ? std::make_shared<Quarantine>(policy.quarantine_after)
                      : nullptr) {}

bool Supervisor::is_idempotent(const std::string& command) const {
    return std::any_of(policy_.idempotent.begin(), policy_.idempotent.end(),
                       [&](const std::string& name) { return name == "*" || name == command; });
}

// ------------------------------------------------------------------------------------------------------- on purpose

void Supervisor::end_on_purpose() {
    const std::lock_guard<std::mutex> lock(mutex_);
    on_purpose_ = true;
    changed_.notify_all();
}

void Supervisor::want() {
    const std::lock_guard<std::mutex> lock(mutex_);
    on_purpose_ = false;
}

bool Supervisor::ended_on_purpose() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return on_purpose_;
}

Supervisor::Restarting::Restarting(Supervisor& supervisor) : supervisor_(supervisor) {
    const std::lock_guard<std::mutex> lock(supervisor_.mutex_);
    ++supervisor_.restarts_;
    supervisor_.on_purpose_ = false;  // a worker is wanted again, also should this fail
    supervisor_.changed_.notify_all();
}

Supervisor::Restarting::~Restarting() {
    const std::lock_guard<std::mutex> lock(supervisor_.mutex_);
    --supervisor_.restarts_;
}

bool Supervisor::restart_under_way() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return restarts_ > 0;
}

bool Supervisor::may_start() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return !on_purpose_ && restarts_ == 0;
}

// ---------------------------------------------------------------------------------------------------------- back-off

Supervisor::Pause Supervisor::back_off(Deadline deadline) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (starts_in_row_ == 0) return {};
    constexpr int kMostDoublings = 30;
    constexpr std::int64_t kMostMs = 10LL * 365 * 24 * 3600 * 1000;  // more would overflow the clock
    const std::int64_t factor = std::int64_t{1} << std::min(starts_in_row_ - 1, kMostDoublings);
    const std::int64_t limit = std::min(policy_.max_backoff_ms, kMostMs);
    const std::int64_t pause = std::min(std::min(policy_.backoff_ms, limit / factor + 1) * factor, limit);
    const auto until = Deadline::at(last_start_ + std::chrono::milliseconds(pause));
    while (!on_purpose_ && restarts_ == 0 && !until.passed() && until.when() < deadline.when()) {
        constexpr std::int64_t kStepMs = 200;  // a signal does not end this wait
        changed_.wait_until(lock, Deadline::after(kStepMs).sooner(until).when());
        lock.unlock();
        detail::check_interrupt();
        lock.lock();
    }
    if (until.passed()) return {};
    return {std::max<std::int64_t>(1, until.remaining_ms(INT64_MAX)), starts_in_row_};
}

void Supervisor::starts() {
    const std::lock_guard<std::mutex> lock(mutex_);
    last_start_ = Deadline::Clock::now();
    ++starts_in_row_;
    troubled_ = true;
}

void Supervisor::note_answer() {
    const std::lock_guard<std::mutex> lock(mutex_);
    starts_in_row_ = 0;
    troubled_ = false;
}

}  // namespace tr::session
