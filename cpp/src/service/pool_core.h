#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "platform/deadline.h"
#include "platform/fork.h"
#include "service/line.h"
#include "service/slot.h"
#include "session/session_access.h"
#include "tech_renaissance/service/pool.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::service {

class PoolCore;

/// The pool whose thread this is, if any.
inline thread_local const PoolCore* own_thread = nullptr;

/// A place in a worker, for one call; given back when it goes.
class Place {
  public:
    Place() = default;
    Place(PoolCore& pool, std::shared_ptr<Slot> slot, std::uint64_t generation)
        : pool_(&pool), slot_(std::move(slot)), generation_(generation), since_(platform::Deadline::Clock::now()) {}
    ~Place();
    Place(Place&& other) noexcept { *this = std::move(other); }
    Place& operator=(Place&& other) noexcept;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    explicit operator bool() const { return slot_ != nullptr; }
    Slot& slot() const { return *slot_; }
    std::uint64_t generation() const { return generation_; }
    platform::Deadline::Clock::time_point since() const { return since_; }
    /// The call has come to its end without an exception.
    void succeeded() { succeeded_ = true; }
    bool has_succeeded() const { return succeeded_; }

  private:
    PoolCore* pool_ = nullptr;
    std::shared_ptr<Slot> slot_;
    std::uint64_t generation_ = 0;
    platform::Deadline::Clock::time_point since_;
    bool succeeded_ = false;
};

/// What one call wants, from its making to its end.
struct Wanted {
    const std::string& what;  ///< its command, with what follows it
    detail::PoolTerms terms;
    platform::Deadline deadline;
    Place first;      ///< where it has a place already
    int repeats = 0;  ///< so far
    int unsent = 0;   ///< times that a worker was found dead, before it had the call
};

/// What a Pool is made of: places for workers, the line of calls that wait for one, threads for submit().
///
/// One mutex is over all of it. With it no session is called, nothing is waited for but what releases it, and nobody
/// else's code is run. It is taken after the mutex of an AsyncCall (cancel) or an EndBell, and before none.
class PoolCore {
  public:
    using Deadline = platform::Deadline;
    using Lock = std::unique_lock<std::mutex>;

    explicit PoolCore(PoolOptions pool_options);
    ~PoolCore() = default;  // stop() has been called
    PoolCore(const PoolCore&) = delete;
    PoolCore& operator=(const PoolCore&) = delete;

    /// @throws InputError in a fork of the program
    void check_process() const;
    bool inherited() const { return platform::fork_generation() != fork_generation_; }
    Deadline deadline_of(std::int64_t timeout_ms) const;

    // Life: life.cpp
    void start();
    void stop();
    void drain(Deadline deadline);
    void resize(int workers, Deadline deadline);
    void reload(Deadline deadline);
    void clear_quarantine();
    PoolStats stats() const;  ///< stats.cpp
    int size() const;
    /// How many calls can be at work; with the mutex.
    std::size_t capacity() const;
    std::size_t look_ahead() const;

    // Calls: take.cpp
    /// The one way to a session: `use(session, what is left of the limit)`, again on another worker where its own has
    /// died under it and it may be.
    template <class Use>
    auto with_worker(Wanted& wanted, Use use) {
        for (;;) {
            Place place = wanted.first ? std::move(wanted.first) : take(wanted);
            try {
                auto result = use(place, left_of(wanted.deadline));
                place.succeeded();
                return result;
            } catch (const RetryError& error) {
                if (!goes_on(wanted, place, error)) throw;
            } catch (const RestartError& error) {
                if (!goes_on(wanted, place, error)) throw;
            }
        }
    }
    void give_back(Place& place) noexcept;
    /// A call beside its caller, in the queue: `use(session, what is left of the limit)`.
    /// @param when_full nothing: then it is not made where that is full, and this gives nothing
    /// @param waits for a place in it, where calls are to wait then
    template <class Result, class Use>
    auto submit(const std::string& what, Deadline deadline, const detail::PoolTerms& terms,
                std::optional<PoolOptions::WhenFull> when_full, bool waits, Use use) {
        const auto waiter = std::make_shared<Waiter>();
        waiter->terms = terms;
        waiter->deadline = deadline;
        waiter->place = std::make_shared<Place>();
        // As the caller's own call would be made, but from the place that it has been given.
        auto work = [this, terms, place = waiter->place, use = std::move(use)](const session::AsyncCall& call) mutable {
            Wanted wanted{call.command, terms, call.deadline, std::move(*place)};
            return with_worker(wanted,
                               [&use](const Place& found, Limit left) { return use(found.slot().session, left); });
        };
        const auto call =
            std::make_shared<session::AsyncCallFor<Result>>(what, deadline, std::move(work), [this] { wake_jobs(); });
        waiter->call = call;
        auto future = std::optional(detail::SessionAccess::future(call));
        const auto entered = enter_job(waiter, when_full, waits);
        if (entered == Entered::no) future.reset();
        if (entered == Entered::late) future->get();  // throws: a thread of the pool has seen its limit pass first
        return future;
    }
    /// Has the threads that make or keep submitted calls, and those at work, look whether these are still wanted.
    void wake_jobs();

    const PoolOptions options;

  private:
    enum class State { stopped, running, drained };
    class Changing;

    // take.cpp
    Place take(Wanted& wanted);
    static Limit left_of(Deadline deadline);
    bool goes_on(Wanted& wanted, const Place& place, const RestartError& error);
    bool goes_on(Wanted& wanted, const Place& place, const RetryError& error);
    bool may_repeat(Wanted& wanted);
    void require_open(const Wanted& wanted) const;
    void enter(const std::shared_ptr<Waiter>& waiter, const std::string& what,
               std::optional<PoolOptions::WhenFull> when_full);
    void wait_in_line(Lock& lock, const std::shared_ptr<Waiter>& waiter, const std::string& what);
    void wait_at_gate(Lock& lock, const std::shared_ptr<Waiter>& waiter, const std::string& what);
    void wait_while(Lock& lock, const std::shared_ptr<Waiter>& waiter, const std::string& what,
                    bool (*waits)(const Waiter&));
    void freed(Slot& slot);
    [[noreturn]] void throw_late(const Waiter& waiter, const std::string& what) const;

    // dispatch.cpp
    std::shared_ptr<Slot> choose(const detail::PoolTerms& terms);
    bool any_free() const;
    void give(const std::shared_ptr<Waiter>& waiter, std::shared_ptr<Slot> slot);
    void dispatch();
    void refuse_all(const std::exception_ptr& reason);
    std::int64_t retry_after_ms() const;
    std::exception_ptr none_left() const;
    bool any_hope() const;
    void refuse_if_none_left();
    bool is_quiet() const;

    // keep.cpp
    void keep(const std::shared_ptr<Slot>& slot);
    void bring_up(const std::shared_ptr<Slot>& slot, Lock& lock);
    static std::exception_ptr try_to_start(Slot& slot, bool again, bool replaces);
    void died(Slot& slot, std::uint64_t generation);

    // life.cpp
    std::shared_ptr<Slot> new_slot(int number, int among) const;
    void begin(const std::shared_ptr<Slot>& slot);
    void wait_for(Lock& lock, Deadline deadline, const char* what, const std::function<bool()>& holds);
    void require_running(const char* what) const;
    void begin_all(Lock& lock, const std::vector<std::shared_ptr<Slot>>& slots, bool all);
    void shrink(Lock& lock, int workers, Deadline deadline);
    void grow(Lock& lock, int workers);
    void reload_one(Lock& lock, const std::shared_ptr<Slot>& slot, Deadline deadline);
    void reap(Lock& lock);
    void refuse_on_own_thread(const char* what) const;

    // jobs.cpp
    enum class Entered { yes, no, late };
    Entered enter_job(const std::shared_ptr<Waiter>& waiter, std::optional<PoolOptions::WhenFull> when_full,
                      bool waits);
    void require_thread();
    void serve_jobs();
    void drop_ended(Lock& lock);
    void run_job(Lock& lock);

    const std::uint32_t fork_generation_ = platform::fork_generation();
    const std::int64_t owner_pid_;
    const std::shared_ptr<session::Quarantine> quarantine_;  ///< of all workers; nullptr: none

    mutable std::mutex mutex_;  ///< over all that follows
    State state_ = State::stopped;
    bool changing_ = false;  ///< a start(), resize() or reload() is under way
    bool stopping_ = false;
    std::condition_variable changed_;  ///< for who waits for a state
    std::vector<std::shared_ptr<Slot>> slots_;
    std::size_t next_ = 0;  ///< round robin
    Line line_;
    std::deque<std::shared_ptr<Waiter>> jobs_;  ///< submitted calls that have a place, or are refused
    std::condition_variable jobs_changed_;
    std::size_t jobs_at_work_ = 0;
    std::vector<std::thread> threads_;
    std::size_t idle_ = 0;  ///< of these
    bool jobs_closed_ = true;
    std::uint64_t calls_gone_ = 0;  ///< of slots that have left
    std::uint64_t failures_gone_ = 0;
    std::uint64_t restarts_gone_ = 0;
    std::uint64_t repeated_ = 0;
    std::uint64_t refused_ = 0;
    double mean_us_ = 0;
};

}  // namespace tr::service
