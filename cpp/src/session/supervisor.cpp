#include "session/supervisor.h"

#include <algorithm>
#include <functional>

#include "platform/interrupt.h"
#include "tech_renaissance/data/dtype.h"

namespace tr::session {

using platform::Deadline;

std::string with_arguments(const std::string& message, const std::string& arguments) {
    return arguments.empty() ? message : message + " " + arguments;
}

std::string identity_of(const std::string& message, const std::vector<TensorView>& tensors) {
    constexpr std::size_t kMostShown = 200;
    std::string identity = message.substr(0, kMostShown);
    if (message.size() > kMostShown)
        identity += "... (" + std::to_string(message.size()) + " bytes, hash " +
                    std::to_string(std::hash<std::string>{}(message)) + ")";
    for (const auto& tensor : tensors) identity += ", " + to_string(tensor.dtype()) + " " + tensor.shape().to_string();
    return identity;
}

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

// -------------------------------------------------------------------------------------------------------- quarantine

int Supervisor::count_death(const std::string& identity, bool counted) {
    if (!recovers() || policy_.quarantine_after <= 0) return 0;
    const std::lock_guard<std::mutex> lock(mutex_);
    int& deaths = deaths_[identity];
    if (!counted) ++deaths;
    troubled_ = true;
    return deaths >= policy_.quarantine_after ? deaths : 0;
}

int Supervisor::deaths_of_refused(const std::string& message, const std::vector<TensorView>& tensors) const {
    if (!troubled_) return 0;
    const std::string identity = identity_of(message, tensors);
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = deaths_.find(identity);
    return found == deaths_.end() || found->second < policy_.quarantine_after ? 0 : found->second;
}

void Supervisor::clear_quarantine() {
    const std::lock_guard<std::mutex> lock(mutex_);
    deaths_.clear();
}

std::vector<std::string> Supervisor::quarantined() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> refused;
    for (const auto& [identity, count] : deaths_)
        if (count >= policy_.quarantine_after) refused.push_back(identity);
    return refused;
}

void Supervisor::note_answer(const std::string& identity) {
    const std::lock_guard<std::mutex> lock(mutex_);
    deaths_.erase(identity);
    starts_in_row_ = 0;
    troubled_ = !deaths_.empty();
}

}  // namespace tr::session
