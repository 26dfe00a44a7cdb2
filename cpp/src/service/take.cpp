// How a call gets a place in a worker, and gives it back.
#include <algorithm>
#include <utility>

#include "platform/interrupt.h"
#include "service/pool_core.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::service {
namespace {

using platform::Deadline;
using WhenFull = PoolOptions::WhenFull;

constexpr std::int64_t kStepMs = 200;  ///< a signal does not end every wait
constexpr int kMostUnsent = 16;        ///< workers that one call may find dead

std::string command_of(const std::string& what) {
    return what.substr(0, what.find(' '));
}

bool is_busy(const PythonSession& session) noexcept {
    try {
        return session.is_busy();
    } catch (const TRException&) {
        return false;
    }
}

bool is_in_line(const Waiter& waiter) {
    return waiter.state == Waiter::State::queued || waiter.state == Waiter::State::at_gate;
}

std::string counted(std::size_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

// ----------------------------------------------------------------------------------------------------------- a place

Place::~Place() {
    if (slot_) pool_->give_back(*this);
}

Place& Place::operator=(Place&& other) noexcept {
    if (this == &other) return *this;
    if (slot_) pool_->give_back(*this);
    pool_ = other.pool_;
    slot_ = std::move(other.slot_);
    generation_ = other.generation_;
    since_ = other.since_;
    succeeded_ = other.succeeded_;
    return *this;
}

void PoolCore::give_back(Place& place) noexcept {
    constexpr double kNew = 0.1;
    auto& slot = place.slot();
    if (place.has_succeeded()) slot.supervisor.answered({});
    const bool lingers = !place.has_succeeded() && is_busy(slot.session);
    const std::chrono::duration<double, std::micro> took = Deadline::Clock::now() - place.since();
    const std::lock_guard<std::mutex> lock(mutex_);
    ++slot.calls;
    slot.lingers = lingers;
    if (place.has_succeeded())
        mean_us_ = mean_us_ == 0 ? took.count() : mean_us_ + kNew * (took.count() - mean_us_);
    else
        ++slot.failures;
    freed(slot);
}

/// One place of it, for the next.
void PoolCore::freed(Slot& slot) {
    --slot.in_flight;
    if (slot.state == Slot::State::leaving && slot.in_flight == 0) slot.changed.notify_all();
    if (!line_.is_empty()) dispatch();
    if (state_ == State::drained) changed_.notify_all();
}

// ------------------------------------------------------------------------------------------------------------ taking

Place PoolCore::take(Wanted& wanted) {
    check_process();
    Lock lock(mutex_);
    require_open(wanted);
    if (auto slot = choose(wanted.terms)) {
        ++slot->in_flight;
        const auto generation = slot->generation;
        return Place(*this, std::move(slot), generation);
    }
    const auto waiter = std::make_shared<Waiter>();
    waiter->terms = wanted.terms;
    waiter->deadline = wanted.deadline;
    // A call that is made again has been let in already.
    enter(waiter, wanted.what, wanted.repeats + wanted.unsent > 0 ? WhenFull::wait : options.when_full);
    wait_in_line(lock, waiter, wanted.what);
    return Place(*this, waiter->slot, waiter->generation);
}

/// @throws InputError, RetryError when no calls are let in
void PoolCore::require_open(const Wanted& wanted) const {
    if (state_ == State::running) return;
    const std::string what = "'" + command_of(wanted.what) + "' was not called: ";
    if (wanted.repeats + wanted.unsent > 0) {
        if (state_ == State::drained) return;
        throw RetryError(what + "its worker had died, and the pool was stopped before another one was free",
                         ErrorCode::cancelled);
    }
    if (state_ == State::drained)
        throw RetryError(what + "the pool has been drained, and lets no calls in: start() lets them in again");
    throw InputError(what + "the pool does not run: call start() first");
}

/// Into the queue, or where that is full as `when_full` says; nothing: then it stays outside.
void PoolCore::enter(const std::shared_ptr<Waiter>& waiter, const std::string& what,
                     std::optional<WhenFull> when_full) {
    if (!any_hope()) std::rethrow_exception(none_left());
    if (!line_.has_room() && when_full != WhenFull::wait) {
        if (!when_full) return;
        ++refused_;
        const auto after = retry_after_ms();
        throw OverloadedError("'" + command_of(what) + "' was not called: all workers of the pool are at work, and " +
                                  counted(line_.queued(), "call") +
                                  " wait for one, which is PoolOptions::max_queue_size; try again in " +
                                  std::to_string(after) + " ms, resize() the pool, or have calls wait (when_full)",
                              after);
    }
    line_.enter(waiter);
}

/// Until it has a place in a worker.
void PoolCore::wait_in_line(Lock& lock, const std::shared_ptr<Waiter>& waiter, const std::string& what) {
    wait_while(lock, waiter, what, &is_in_line);
    if (waiter->state == Waiter::State::refused) std::rethrow_exception(waiter->refusal);
}

/// Until it has a place in the queue, of a call that is submitted.
void PoolCore::wait_at_gate(Lock& lock, const std::shared_ptr<Waiter>& waiter, const std::string& what) {
    wait_while(lock, waiter, what, [](const Waiter& one) { return one.state == Waiter::State::at_gate; });
}

void PoolCore::wait_while(Lock& lock, const std::shared_ptr<Waiter>& waiter, const std::string& what,
                          bool (*waits)(const Waiter&)) {
    while (waits(*waiter)) {
        if (waiter->deadline.passed()) {
            line_.leave(waiter);
            throw_late(*waiter, what);
        }
        waiter->changed.wait_until(lock, Deadline::after(kStepMs).sooner(waiter->deadline).when());
        if (!waits(*waiter)) break;
        lock.unlock();
        try {
            detail::check_interrupt();
            session::AsyncCalls::throw_if_cancelled();
        } catch (...) {
            lock.lock();
            if (is_in_line(*waiter)) line_.leave(waiter);
            if (waiter->state == Waiter::State::given && !waiter->call) freed(*waiter->slot);
            throw;
        }
        lock.lock();
    }
}

void PoolCore::throw_late(const Waiter& waiter, const std::string& what) const {
    std::size_t serving = 0;
    for (const auto& slot : slots_)
        if (slot->state == Slot::State::serving) ++serving;
    throw TimeoutError("the time limit passed while '" + command_of(what) + "' waited for " +
                       (waiter.terms.key ? "its worker" : "a worker") + " of the pool: " + std::to_string(serving) +
                       " of " + counted(slots_.size(), "worker") + (serving == 1 ? " serves" : " serve") +
                       (serving == 0 ? ", the others are being started" : ", and is at work") + ", and " +
                       counted(line_.queued(), "other call") +
                       " wait; the call was not made: give it longer, resize() the pool, or raise "
                       "SessionOptions::max_ongoing_requests where the server runs calls side by side");
}

Limit PoolCore::left_of(Deadline deadline) {
    return deadline.is_never() ? 0 : std::max<std::int64_t>(1, deadline.remaining_ms(INT64_MAX));
}

// ------------------------------------------------------------------------------------------------------------ deaths

bool PoolCore::goes_on(Wanted& wanted, const Place& place, const RestartError& error) {
    died(place.slot(), place.generation());
    const bool idempotent = place.slot().supervisor.is_idempotent(command_of(wanted.what));
    if (error.may_retry() && !idempotent && wanted.unsent < kMostUnsent) {  // the worker had not had it
        const std::lock_guard<std::mutex> lock(mutex_);
        if (state_ == State::stopped) return false;
        ++wanted.unsent;
        ++repeated_;
        return true;
    }
    return (error.may_retry() || options.on_death == PoolOptions::OnDeath::repeat) && may_repeat(wanted);
}

/// Where the worker says that it leaves, as it was told to, while it is at work on the call.
bool PoolCore::goes_on(Wanted& wanted, const Place& place, const RetryError& error) {
    if (error.code() != ErrorCode::cancelled || !error.python_type().empty()) return false;
    session::AsyncCalls::throw_if_cancelled();
    died(place.slot(), place.generation());
    const bool idempotent = place.slot().supervisor.is_idempotent(command_of(wanted.what));
    return (idempotent || options.on_death == PoolOptions::OnDeath::repeat) && may_repeat(wanted);
}

bool PoolCore::may_repeat(Wanted& wanted) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (state_ == State::stopped || wanted.repeats >= options.max_repeats) return false;
    ++wanted.repeats;
    ++repeated_;
    return true;
}

}  // namespace tr::service
