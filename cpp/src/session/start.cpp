// How a session gets its worker: the first one, and one in place of another.
#include <system_error>
#include <utility>

#include "channel/place_error.h"
#include "platform/interrupt.h"
#include "platform/sequence_point.h"
#include "session/core.h"
#include "worker/death_report.h"
#include "worker/stop_ladder.h"

namespace tr::session {
namespace {

using platform::Deadline;
constexpr std::int64_t kLeavingMs = 2'000;  ///< for a worker that has said that it leaves

}  // namespace

/// Has all channels to itself while it lives.
class Starting {
  public:
    /// @throws TimeoutError when others use one for longer
    Starting(Core& core, Turns::Turn own, Deadline deadline, const std::function<bool()>& take_parked,
             const std::function<bool()>& needless = {})
        : core_(core), own_(own) {
        core.log.refuse_in_callback();
        begun_ = core.turns.begin_start(own, deadline, take_parked, needless);
        if (!begun_ && !(needless && needless())) core.throw_taken();
    }
    ~Starting() {
        if (begun_) core_.turns.end_start(own_);
    }
    Starting(const Starting&) = delete;
    Starting& operator=(const Starting&) = delete;

    /// Else another thread has started a worker meanwhile.
    bool needed() const { return begun_; }

  private:
    Core& core_;
    Turns::Turn own_;
    bool begun_;
};

void Core::start(Deadline deadline) {
    log.refuse_in_callback();
    const auto leaving = [this](const worker::Worker& now) {
        return now.state() == worker::State::leaving || supervisor.ended_on_purpose();
    };
    const auto now_is_good = [&] {
        const auto now = worker();
        return now && now->alive() && !leaving(*now) && !first().is_asked_to_leave() && first().is_there();
    };
    if (now_is_good()) return;
    // A stream of a worker that has ended has nothing more to give, and holds nobody up.
    const Starting starting(*this, {}, deadline, [this] { return !is_alive(); });
    // A worker that leaves, or has lost its directory, is none to keep.
    if (const auto now = worker(); now && now->alive()) {
        if (first().is_asked_to_leave()) hear_of_an_exit(*now, deadline);
        const bool leaves = leaving(*now);
        if (leaves) now->wait(Deadline::after(kLeavingMs));
        if (leaves || !first().is_there()) worker::stop(*now, log);
        if (now->alive()) return;
    }
    supervisor.want();
    bring_up(Deadline::never());
}

/// Whether the worker leaves, which a request that nobody has read the answer to may have asked it to do, is what it
/// answers: a server may have a command `exit` of its own.
void Core::hear_of_an_exit(const worker::Worker& worker, Deadline deadline) {
    Conversation conversation(*this, first());
    try {
        conversation.wait_until(deadline, {"for the worker to leave", false, true},
                                [&] { return !worker.alive() || first().answer_lies_ready(); });
    } catch (const TimeoutError&) {
        return;  // it is kept
    }
    if (first().answer_lies_ready()) conversation.settle_lost();  // whoever has sent it can still read it
}

/// Starts a worker in place of none or a dead one; it may not be ready yet.
void Core::bring_up(Deadline limit) {
    const bool fresh = first().directory() == nullptr;
    const auto before = worker();
    try {
        try {
            start_worker(limit);
        } catch (const std::system_error& error) {
            const auto* directory = first().directory();
            channel::throw_place_error(error, directory != nullptr ? directory->file("") : options.workspace);
        }
    } catch (...) {
        auto now = worker();
        const bool started = now && now != before;
        record(event(SessionEvent::Kind::failed, started ? now.get() : nullptr));
        if (now) worker::stop(*now, log);
        launcher_->confirm();  // so that nothing of its start is left to be waited for
        if (post_mortem.wanted()) keep(std::current_exception(), first(), started ? now.get() : nullptr);
        if (fresh || first().directory() == nullptr) {
            set_worker(nullptr);
            first().leave();  // what it maps and holds open is room for the next attempt
        }
        throw;
    }
}

void Core::start_worker(Deadline limit) {
    check_wanted();
    launcher_->check();
    for (const auto& channel : channels_) Conversation(*this, *channel).settle_lost();
    forget_vanished_directory();
    launcher_->prepare(first());
    auto now = launcher_->launch(first(), limit, [this] {
        detail::check_interrupt();
        check_wanted();
        AsyncCalls::throw_if_cancelled();
    });
    set_worker(now);
    record(event(SessionEvent::Kind::started, now.get()));
    log(LogLevel::info, "worker " + std::to_string(now->pid()) + ": " + now->launched().command);
    check_wanted();  // who ended it meanwhile may have found no process
}

/// For a start under way. @throws RestartError when the worker was ended on purpose before it was there
void Core::check_wanted() const {
    if (supervisor.ended_on_purpose())
        throw RestartError("session '" + id() +
                           "' has no worker: terminate() or please_exit() was called while one was started; start() "
                           "or restart() starts another");
}

/// Nothing can be served in a directory that somebody has removed.
void Core::forget_vanished_directory() {
    if (first().directory() == nullptr || first().is_there() || attached_) return;
    log(LogLevel::warning, "the session directory '" + first().path() + "' has been removed; another is made");
    first().leave();
    set_worker(nullptr);
    const std::lock_guard<std::mutex> lock(mutex_);
    directory_lost_ = true;
}

void Core::restart(Deadline deadline) {
    log.refuse_in_callback();
    launcher_->check();  // a worker that works is not ended for one that cannot be started
    const auto before = worker();
    const Supervisor::Restarting restarting(supervisor);
    if (before) worker::stop(*before, log);  // before the channels are waited for: it ends the waits in them
    const auto needed = [this, before] {     // else another thread has done it meanwhile
        const auto now = worker();
        return now == before || !now || !now->alive();
    };
    const Starting starting(*this, {}, deadline, needed);
    const bool starts = needed();
    if (starts) bring_up(deadline);
    Conversation conversation(*this, first());
    conversation.wait_until(deadline, {"for the new worker to be ready"},
                            [&conversation] { return conversation.hear(); });
    if (starts) record(event(SessionEvent::Kind::restarted, worker().get()));
}

// --------------------------------------------------------------------------------------------------------- recovery

/// It has died, and nobody meant it to; or there is none since the directory was removed.
bool Core::worker_is_gone(const Conversation& conversation) const {
    if (!supervisor.may_start()) return false;
    if (conversation.worker()) return !conversation.worker()->alive();
    const std::lock_guard<std::mutex> lock(mutex_);
    return directory_lost_ || worker_;
}

/// Looked at after a failure alone, as it asks the file system. A worker may live on without its directory for a while.
bool Core::directory_is_gone(const Conversation& conversation) const {
    return supervisor.may_start() && conversation.channel().directory() != nullptr &&
           !conversation.channel().is_there();
}

void Core::start_again(Conversation& conversation, Deadline deadline) {
    const auto before = conversation.worker();
    const auto replaced = [this, before] {
        const auto now = worker();
        return now && now != before && now->alive();
    };
    if (replaced()) {
        conversation.settle_lost();
        conversation.renew();
        return;
    }
    if (before && before->alive()) {
        log(LogLevel::warning, "the session directory has been removed; its worker is ended");
        worker::stop(*before, log);
    }
    const auto pause = supervisor.back_off(deadline);
    if (pause.left_ms > 0) {
        require_worker(before.get());
        if (!supervisor.may_start()) throw conversation.death(true);
        throw RestartError(
            "the worker of session '" + id() + "' (pid " + std::to_string(before->pid()) + ") " +
                before->status()->describe() + "; another one is not started for " + std::to_string(pause.left_ms) +
                " ms yet, as " + std::to_string(pause.starts_in_row) + (pause.starts_in_row == 1 ? " was" : " were") +
                " started in a row and none has answered a request, and the limit of this call is shorter; the request "
                "may be sent again: later, with a longer limit, or after restart(), which does not wait; "
                "RestartPolicy::backoff_ms and max_backoff_ms set the pause",
            ErrorCode::server_error, true);
    }
    conversation.settle_lost();
    const Starting starting(*this, conversation.turn(), deadline, [this] { return !is_alive(); }, replaced);
    if (starting.needed()) {
        if (before) log(LogLevel::warning, "the worker " + before->status()->describe() + "; another one is started");
        supervisor.starts();
        bring_up(deadline);
        record(event(SessionEvent::Kind::restarted, worker().get()));
    }
    conversation.renew();
}

}  // namespace tr::session
