// How a session's worker is stopped.
#include "platform/host.h"
#include "platform/sequence_point.h"
#include "protocol/names.h"
#include "session/interrupt.h"
#include "session/session_impl.h"
#include "session/turn_lock.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

using platform::Deadline;
constexpr std::int64_t kStepMs = 1'024;   ///< between looks whether a wait is to be interrupted
constexpr std::int64_t kGraceMs = 2'000;  ///< between SIGTERM and SIGKILL
constexpr std::int64_t kPromptMs = 500;   ///< a stop that takes longer is explained in the log

}  // namespace

void PythonSession::Impl::please_exit(std::int64_t timeout_ms, bool ensure) {
    log_.refuse_in_callback();
    if (!is_alive()) return;
    const Deadline deadline = deadline_of(timeout_ms);
    try {
        const TurnLock turn(*this, deadline);
        {
            const std::lock_guard<std::mutex> lock(state_mutex_);
            stopped_ = true;
        }
        send(protocol::kExitCommand, {}, deadline);
        Health health;
        if (!process_->wait(Deadline::after(kPromptMs).sooner(deadline))) {
            health = examine(deadline);
            log_(LogLevel::warning,
                 "worker " + std::to_string(process_->pid()) + " has not left when asked to" +
                     (health.state == "stopped" ? ", as it is stopped (SIGSTOP)" : "") +
                     (!ensure || deadline.is_never()
                          ? "; waiting on"
                          : "; it is terminated in " + std::to_string(deadline.remaining_ms(INT64_MAX)) + " ms"));
        }
        while (!process_->wait(Deadline::after(kStepMs).sooner(deadline))) {
            detail::check_interrupt();
            if (deadline.passed()) throw timeout("for the worker to exit", health);
        }
        TR_SEQUENCE_POINT("worker gone");
        tensors_->request_ended();
        {
            const std::lock_guard<std::mutex> lock(state_mutex_);
            in_flight_.reset();
        }
        log_(LogLevel::info, "worker " + process_->status()->describe());
    } catch (const TimeoutError&) {
        if (!ensure) throw;
        log_(LogLevel::warning, "the worker did not exit when asked to; it is terminated");
        terminate();
    } catch (const RestartError&) {
        // It ended by itself meanwhile, which is what was wanted; or it cannot be asked, without its directory.
        terminate();
    }
}

void PythonSession::Impl::terminate() {
    std::shared_ptr<platform::Process> process;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        process = process_;
        stopped_ = true;
    }
    stop_changed_.notify_all();
    end_worker(process);
}

void PythonSession::Impl::end_worker(const std::shared_ptr<platform::Process>& process) {
    if (!process || !process->alive()) return;
    const std::string worker = "worker " + std::to_string(process->pid());
    const Deadline limit = Deadline::after(kGraceMs);
    process->terminate();
    if (!process->wait(Deadline::after(kPromptMs))) {
        log_(LogLevel::warning, worker + " has not ended " + std::to_string(kPromptMs) +
                                    " ms after SIGTERM; it gets SIGKILL after " + std::to_string(kGraceMs) + " ms");
        if (!process->wait(limit)) {
            log_(LogLevel::warning, worker + " is sent SIGKILL");
            process->kill();
            process->wait(Deadline::never());
        }
    }
    log_(LogLevel::info, "worker " + process->status()->describe());
}

void PythonSession::Impl::join() {
    log_.refuse_in_callback();
    std::shared_ptr<platform::Process> process;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        process = process_;
    }
    while (process && !process->wait(Deadline::after(kStepMs))) detail::check_interrupt();
}

}  // namespace tr
