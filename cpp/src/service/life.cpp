// How a pool and its workers come and go.
#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "platform/host.h"
#include "platform/interrupt.h"
#include "service/pool_core.h"
#include "service/worker_environment.h"
#include "session/session_access.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::service {
namespace {

using platform::Deadline;
constexpr std::int64_t kStepMs = 200;  ///< a signal does not end every wait
constexpr int kMostWorkers = 1'024;
constexpr int kAttempts = 5;  ///< where the policy names none

void require_count(const char* what, std::int64_t value, int least, int most) {
    if (value < least || value > most)
        throw InputError(std::string(what) + " is " + std::to_string(value) + ": expected " + std::to_string(least) +
                         " to " + std::to_string(most));
}

/// Of its thread, which has been told to stop.
void end_waits(Slot& slot) {
    slot.supervisor.end_on_purpose();
    detail::Waits::wake(slot.session);
}

PoolOptions checked(PoolOptions options) {
    constexpr int kMostQueued = 1'000'000;
    require_count("PoolOptions::workers", options.workers, 1, kMostWorkers);
    require_count("PoolOptions::max_queue_size", options.max_queue_size, 0, kMostQueued);
    require_count("PoolOptions::max_repeats", options.max_repeats, 0, kMostQueued);
    require_count("PoolOptions::threads_per_worker", options.threads_per_worker, 0, kMostQueued);
    if (options.session.restart.attempts == 0) options.session.restart.attempts = kAttempts;
    return options;
}

}  // namespace

/// One change of the pool's workers at a time.
class PoolCore::Changing {
  public:
    Changing(PoolCore& pool, Lock& lock, Deadline deadline) : pool_(pool), lock_(lock) {
        pool.wait_for(lock, deadline, "for another change of the pool to end", [&] { return !pool.changing_; });
        pool.changing_ = true;
    }
    ~Changing() {
        if (!lock_.owns_lock()) lock_.lock();
        pool_.changing_ = false;
        pool_.changed_.notify_all();
    }
    Changing(const Changing&) = delete;
    Changing& operator=(const Changing&) = delete;

  private:
    PoolCore& pool_;
    Lock& lock_;
};

PoolCore::PoolCore(PoolOptions pool_options)
    : options(checked(std::move(pool_options))),
      owner_pid_(platform::process_id()),
      quarantine_(options.session.restart.quarantine_after > 0
                      ? std::make_shared<session::Quarantine>(options.session.restart.quarantine_after)
                      : nullptr),
      line_(static_cast<std::size_t>(options.max_queue_size)) {
    for (int i = 0; i < options.workers; ++i) slots_.push_back(new_slot(i, options.workers));
}

void PoolCore::check_process() const {
    if (!inherited()) return;
    throw InputError("this pool belongs to process " + std::to_string(owner_pid_) + ", from which this one (" +
                     std::to_string(platform::process_id()) + ") was forked: make a Pool of its own here");
}

Deadline PoolCore::deadline_of(std::int64_t timeout_ms) const {
    if (timeout_ms == PythonSession::kDefaultTimeout) timeout_ms = options.session.default_timeout_ms;
    if (timeout_ms < 0)
        throw InputError("a time limit of " + std::to_string(timeout_ms) +
                         " ms makes no sense: expected milliseconds, or 0 to wait for ever");
    return Deadline::after(timeout_ms);
}

/// @param among how many workers the cores are divided
std::shared_ptr<Slot> PoolCore::new_slot(int number, int among) const {
    SessionOptions session = options.session;
    session.restart.attempts = 0;  // this pool sees to it
    if (!session.session_id.empty()) session.session_id += "-" + std::to_string(number);
    const auto share = set_worker_environment(session, options, number, among);
    auto slot = std::make_shared<Slot>(number, session, options.session.restart, share);
    detail::SessionAccess::hand_over(slot->session, "the pool starts another worker in its place", quarantine_);
    return slot;
}

void PoolCore::clear_quarantine() {
    check_process();
    if (quarantine_) quarantine_->clear();
}

std::size_t PoolCore::capacity() const {
    return slots_.size() * static_cast<std::size_t>(options.session.max_ongoing_requests);
}

int PoolCore::size() const {
    check_process();
    const std::lock_guard<std::mutex> lock(mutex_);
    return static_cast<int>(std::count_if(slots_.begin(), slots_.end(), [](const auto& slot) {
        return !slot->retires && slot->state != Slot::State::failed;
    }));
}

/// Waits, with the lock given up meanwhile.
/// @throws TimeoutError, what the interrupt check throws
void PoolCore::wait_for(Lock& lock, Deadline deadline, const char* what, const std::function<bool()>& holds) {
    while (!holds()) {
        if (deadline.passed())
            throw TimeoutError(std::string("the time limit passed while waiting ") + what + ": give it longer, or " +
                               "stop() the pool, which ends calls at work");
        changed_.wait_until(lock, Deadline::after(kStepMs).sooner(deadline).when());
        if (holds()) return;
        lock.unlock();
        try {
            detail::check_interrupt();
        } catch (...) {
            lock.lock();
            throw;
        }
        lock.lock();
    }
}

/// For what has waited. @throws RetryError when the pool was stopped meanwhile
void PoolCore::require_running(const char* what) const {
    if (state_ == State::stopped)
        throw RetryError(std::string(what) + " was given up, as the pool was stopped", ErrorCode::cancelled);
}

/// Its threads would wait for themselves.
void PoolCore::refuse_on_own_thread(const char* what) const {
    if (own_thread == this)
        throw InputError(std::string(what) +
                         " was called on a thread of the pool, in a log callback, an observer or what a future calls "
                         "when it is ready: call it on another one");
}

// ---------------------------------------------------------------------------------------------------- start and stop

void PoolCore::begin(const std::shared_ptr<Slot>& slot) {
    if (slot->thread.joinable()) {  // of one that has failed
        slot->state = Slot::State::starting;
        slot->changed.notify_all();
        return;
    }
    slot->stop = false;
    slot->supervisor.want();
    try {
        slot->thread = std::thread([this, slot] { keep(slot); });
    } catch (const std::system_error& error) {
        throw RetryError(std::string("the pool cannot start a thread for a worker: ") + error.what());
    }
    slot->state = Slot::State::starting;
}

/// Side by side; returns when each is ready, or could not be started.
/// @param all also where one could not
void PoolCore::begin_all(Lock& lock, const std::vector<std::shared_ptr<Slot>>& slots, bool all) {
    for (const auto& slot : slots) begin(slot);
    wait_for(lock, Deadline::never(), "for the workers to be ready", [&] {
        const auto starts = [](const auto& slot) { return slot->state == Slot::State::starting; };
        const auto failed = [](const auto& slot) { return slot->state == Slot::State::failed; };
        return state_ == State::stopped || (!all && std::any_of(slots.begin(), slots.end(), failed)) ||
               std::none_of(slots.begin(), slots.end(), starts);
    });
    require_running("start()");
    for (const auto& slot : slots)
        if (slot->state == Slot::State::failed) std::rethrow_exception(slot->error);
}

void PoolCore::start() {
    check_process();
    refuse_on_own_thread("start()");
    Lock lock(mutex_);
    bool first = false;
    try {
        const Changing changing(*this, lock, Deadline::never());
        wait_for(lock, Deadline::never(), "for stop() to end", [this] { return !stopping_; });
        reap(lock);
        first = state_ == State::stopped;
        state_ = State::running;
        jobs_closed_ = false;
        std::vector<std::shared_ptr<Slot>> idle;
        for (const auto& slot : slots_)
            if (slot->state == Slot::State::stopped || slot->state == Slot::State::failed) idle.push_back(slot);
        begin_all(lock, idle, !first);
    } catch (...) {
        if (lock.owns_lock()) lock.unlock();
        if (first) stop();
        throw;
    }
}

void PoolCore::stop() {
    check_process();
    refuse_on_own_thread("stop()");
    Lock lock(mutex_);
    while (stopping_) changed_.wait(lock);
    stopping_ = true;
    state_ = State::stopped;
    refuse_all(std::make_exception_ptr(
        RetryError("the call was not made: the pool was stopped before its turn came", ErrorCode::cancelled)));
    jobs_closed_ = true;
    jobs_changed_.notify_all();
    changed_.notify_all();
    std::vector<std::thread> threads = std::exchange(threads_, {});
    const auto slots = slots_;
    for (const auto& slot : slots) {
        slot->stop = true;
        slot->changed.notify_all();
        if (slot->thread.joinable()) threads.push_back(std::move(slot->thread));
    }
    lock.unlock();
    for (const auto& slot : slots) end_waits(*slot);
    for (auto& thread : threads) thread.join();
    lock.lock();
    reap(lock);
    stopping_ = false;
    changed_.notify_all();
}

void PoolCore::drain(Deadline deadline) {
    check_process();
    Lock lock(mutex_);
    if (state_ == State::stopped) return;
    state_ = State::drained;
    wait_for(lock, deadline, "for the calls of the pool to end",
             [this] { return state_ != State::drained || is_quiet(); });
}

// ---------------------------------------------------------------------------------------------------------- changing

void PoolCore::resize(int workers, Deadline deadline) {
    check_process();
    refuse_on_own_thread("resize()");
    require_count("the number of workers", workers, 1, kMostWorkers);
    Lock lock(mutex_);
    const Changing changing(*this, lock, deadline);
    reap(lock);
    const auto now = static_cast<int>(slots_.size());
    workers < now ? shrink(lock, workers, deadline) : grow(lock, workers);
}

void PoolCore::grow(Lock& lock, int workers) {
    std::set<int> taken;
    for (const auto& slot : slots_) taken.insert(slot->number);
    const auto missing = static_cast<std::size_t>(workers) - slots_.size();
    lock.unlock();
    std::vector<std::shared_ptr<Slot>> fresh;
    for (int number = 0; fresh.size() < missing; ++number)
        if (taken.count(number) == 0) fresh.push_back(new_slot(number, workers));
    lock.lock();
    slots_.insert(slots_.end(), fresh.begin(), fresh.end());
    if (state_ == State::stopped) return;
    try {
        begin_all(lock, fresh, true);
    } catch (...) {
        for (const auto& slot : fresh) {
            if (slot->state != Slot::State::serving) slot->retires = true;
            slot->changed.notify_all();
        }
        throw;
    }
}

void PoolCore::shrink(Lock& lock, int workers, Deadline deadline) {
    const std::vector<std::shared_ptr<Slot>> going(slots_.begin() + workers, slots_.end());
    for (const auto& slot : going) {
        slot->retires = true;
        if (slot->state == Slot::State::serving) slot->state = Slot::State::leaving;
        if (slot->state == Slot::State::starting) slot->stop = true;
        slot->changed.notify_all();
    }
    dispatch();  // those with a key may go to others
    refuse_if_none_left();
    lock.unlock();
    for (const auto& slot : going)
        if (slot->stop) end_waits(*slot);
    lock.lock();
    wait_for(lock, deadline, "for workers to finish what is at work", [&] {
        return std::all_of(going.begin(), going.end(),
                           [](const auto& slot) { return slot->state == Slot::State::stopped; });
    });
    reap(lock);
}

/// Forgets those that have left.
void PoolCore::reap(Lock& lock) {
    std::vector<std::shared_ptr<Slot>> left;
    const auto gone = [](const auto& slot) { return slot->retires && slot->state == Slot::State::stopped; };
    for (const auto& slot : slots_) {
        if (!gone(slot)) continue;
        left.push_back(slot);
        calls_gone_ += slot->calls;
        failures_gone_ += slot->failures;
        restarts_gone_ += slot->restarts;
    }
    slots_.erase(std::remove_if(slots_.begin(), slots_.end(), gone), slots_.end());
    std::vector<std::thread> threads;
    for (const auto& slot : left)
        if (slot->thread.joinable()) threads.push_back(std::move(slot->thread));
    lock.unlock();
    for (auto& thread : threads) thread.join();
    left.clear();  // and their sessions
    lock.lock();
}

void PoolCore::reload(Deadline deadline) {
    check_process();
    refuse_on_own_thread("reload()");
    Lock lock(mutex_);
    const Changing changing(*this, lock, deadline);
    reap(lock);
    if (state_ == State::stopped) throw InputError("reload(): the pool does not run: call start() first");
    const auto slots = slots_;
    for (const auto& slot : slots)
        if (!slot->retires) reload_one(lock, slot, deadline);
}

void PoolCore::reload_one(Lock& lock, const std::shared_ptr<Slot>& slot, Deadline deadline) {
    slot->error = nullptr;
    if (slot->state == Slot::State::serving) slot->state = Slot::State::leaving;
    if (slot->state == Slot::State::failed) slot->state = Slot::State::starting;
    slot->changed.notify_all();
    dispatch();  // those with a key may go to others
    try {
        wait_for(lock, deadline, "for a worker to finish what is at work, and for another in its place", [&] {
            return state_ == State::stopped || slot->state == Slot::State::serving ||
                   slot->state == Slot::State::failed || slot->state == Slot::State::stopped;
        });
    } catch (...) {
        if (slot->state == Slot::State::leaving) {
            slot->state = Slot::State::serving;
            dispatch();
        }
        throw;
    }
    require_running("reload()");
    if (slot->error) std::rethrow_exception(slot->error);
}

}  // namespace tr::service
