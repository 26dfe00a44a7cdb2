// The thread of each worker's place: it starts the worker, and others after it.
#include <utility>

#include "platform/interrupt.h"
#include "service/pool_core.h"
#include "session/session_access.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::service {

using platform::Deadline;

namespace {

/// Ends the waits of this thread when the flag is true.
class Stoppable {
  public:
    explicit Stoppable(const std::atomic<bool>& flag) : before_(detail::set_stop_flag(&flag)) {}
    ~Stoppable() { detail::set_stop_flag(before_); }
    Stoppable(const Stoppable&) = delete;
    Stoppable& operator=(const Stoppable&) = delete;

  private:
    const std::atomic<bool>* before_;
};

}  // namespace

void PoolCore::keep(const std::shared_ptr<Slot>& slot) {
    own_thread = this;
    slot->bell->set([this, raw = slot.get()](std::uint64_t generation) { died(*raw, generation); });
    Lock lock(mutex_);
    while (!slot->stop) {
        if (slot->state == Slot::State::starting) {
            bring_up(slot, lock);
        } else if (slot->state == Slot::State::leaving && slot->in_flight == 0) {
            if (slot->retires) break;
            slot->state = Slot::State::starting;
        } else if (slot->state == Slot::State::failed && slot->retires) {
            break;
        } else {
            slot->changed.wait(lock);
        }
    }
    lock.unlock();
    slot->bell->set({});
    stop_all({&slot->session});  // where a stop of the pool has come too early for it, or it retires
    lock.lock();
    slot->state = Slot::State::stopped;
    slot->has_started = false;
    changed_.notify_all();
}

/// A worker in its place, or the reason why there is none.
void PoolCore::bring_up(const std::shared_ptr<Slot>& slot, Lock& lock) {
    const bool again = slot->has_started;
    const bool replaces = std::exchange(slot->replaces, false);
    slot->has_started = true;
    lock.unlock();
    const auto error = try_to_start(*slot, again, replaces);
    // One that could not be started in place of one that works.
    const bool kept = error && again && !replaces && slot->session.is_ready();
    lock.lock();
    slot->error = error;
    if (slot->stop) return;
    if (error && !kept) {
        slot->state = Slot::State::failed;
        refuse_if_none_left();
        changed_.notify_all();
        return;
    }
    if (again && !kept) ++slot->restarts;
    const auto generation = ++slot->generation;
    slot->lingers = false;
    slot->state = slot->retires ? Slot::State::leaving : Slot::State::serving;
    dispatch();
    changed_.notify_all();
    lock.unlock();
    detail::SessionAccess::at_end(slot->session, [bell = slot->bell, generation] { bell->ring(generation); });
    lock.lock();
}

/// @param replaces one that has died: as often as the policy says, with its pauses
/// @returns why there is none
std::exception_ptr PoolCore::try_to_start(Slot& slot, bool again, bool replaces) {
    const Stoppable here(slot.stop);
    std::exception_ptr error;
    for (int left = replaces ? slot.supervisor.policy().attempts : 1; left > 0 && !slot.stop; --left) {
        try {
            if (replaces) {
                slot.supervisor.back_off(Deadline::never());
                detail::check_stop_flag();
                slot.supervisor.starts();
            }
            if (again)
                slot.session.restart(0);
            else
                start_all({&slot.session}, 0);
            return nullptr;
        } catch (...) {
            error = std::current_exception();
        }
    }
    return error;
}

/// The worker of this generation is dead, or as good as that; whoever notices it first.
void PoolCore::died(Slot& slot, std::uint64_t generation) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (slot.generation != generation || slot.state != Slot::State::serving || slot.stop) return;
    slot.state = Slot::State::starting;
    slot.replaces = true;
    slot.changed.notify_all();
    dispatch();  // those with a key may go to others
}

}  // namespace tr::service
