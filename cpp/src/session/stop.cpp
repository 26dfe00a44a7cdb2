// How a session's worker is stopped.
#include "worker/stop_ladder.h"

#include "platform/interrupt.h"
#include "platform/sequence_point.h"
#include "protocol/names.h"
#include "session/core.h"

namespace tr::session {
namespace {

using platform::Deadline;
constexpr std::int64_t kStepMs = 1'024;    ///< between looks whether a wait is to be interrupted
constexpr std::int64_t kPromptMs = 1'000;  ///< a stop that takes longer is explained in the log
constexpr std::int64_t kQuietMs = 500;     ///< for calls to end, which the end of a client does not wait for
constexpr std::int64_t kExitMs = 2'000;    ///< for an idle worker to leave when its session is stopped

}  // namespace

void Core::please_exit(std::int64_t timeout_ms, bool ensure) {
    log.refuse_in_callback();
    const auto now = worker();
    if (!now || !now->alive()) return;
    const Deadline deadline = deadline_of(timeout_ms);
    if (attached_) return terminate();
    try {
        Conversation conversation(*this, turns.for_channel(0, deadline));
        if (!conversation.held()) throw_taken();
        supervisor.end_on_purpose();
        conversation.send(protocol::kExitCommand, {}, deadline);
        worker::Liveness found;
        if (!now->wait(Deadline::after(kPromptMs).sooner(deadline))) {
            found = worker::examine(*now, first(), deadline);
            log(LogLevel::warning,
                "worker " + std::to_string(now->pid()) + " has not left when asked to" +
                    (found.condition == worker::Condition::stopped ? ", as it is stopped (SIGSTOP)" : "") +
                    (!ensure || deadline.is_never()
                         ? "; waiting on"
                         : "; it is terminated in " + std::to_string(deadline.remaining_ms(INT64_MAX)) + " ms"));
        }
        while (!now->wait(Deadline::after(kStepMs).sooner(deadline))) {
            detail::check_interrupt();
            if (deadline.passed()) throw conversation.timeout("for the worker to exit", found);
        }
        TR_SEQUENCE_POINT("worker gone");
        conversation.forget_request();
        log(LogLevel::info, "worker " + now->status()->describe());
    } catch (const TimeoutError&) {
        if (!ensure) throw;
        log(LogLevel::warning, "the worker did not exit when asked to; it is terminated");
        terminate();
    } catch (const RestartError&) {
        // It ended by itself meanwhile, which is what was wanted; or it cannot be asked, without its directory.
        terminate();
    }
}

void Core::terminate() {
    supervisor.end_on_purpose();
    if (const auto now = worker()) worker::stop(*now, log);
    if (attached_) close_channels();
    changed();
}

void Core::stop() noexcept {
    try {
        if (!attached_ && is_ready())
            please_exit(kExitMs, true);
        else
            terminate();
    } catch (const std::exception& error) {
        log(LogLevel::warning, std::string("while stopping: ") + error.what());
    }
}

/// Those that nobody uses just then; the others go with the session.
void Core::close_channels() {
    if (!turns.begin_start({}, Deadline::after(kQuietMs), [] { return true; }, {})) return;
    for (const auto& channel : channels_) {
        Conversation(*this, *channel).settle_lost();
        channel->leave();
    }
    turns.end_start({});
}

void Core::join() {
    log.refuse_in_callback();
    const auto now = worker();
    while (now && !now->wait(Deadline::after(kStepMs))) detail::check_interrupt();
}

}  // namespace tr::session
