#include "worker/death_report.h"

#include "channel/place_error.h"
#include "platform/file.h"
#include "protocol/names.h"
#include "worker/start_advice.h"

namespace tr::worker {
namespace {

std::string moment(const Worker& worker, const Death& death) {
    if (!worker.was_ready()) return " before it was ready: " + worker.launched().command;
    if (death.request)
        return (death.request->taken ? " while it was at work on request " : " before it took request ") +
               std::to_string(death.request->id) + " '" + death.request->command + "'" +
               (death.progress.empty() ? "" : ", its last status was '" + death.progress + "'");
    return death.on_purpose ? ", as please_exit() or terminate() ended it on purpose" : " while it was idle";
}

/// What the caller may think of its request.
std::string consequence(const Worker& worker, const Death& death) {
    const auto& request = death.request;
    // It has no effect; but to send it again is of no use before another worker has been started.
    if (!worker.was_ready() && !death.next_call_starts) return {};
    if (death.unsent) return "; the new request was not sent: it may be sent again";
    if (!request) return {};
    if (!request->taken) return "; the request was not run: it may be sent again";
    if (request->deaths > 0)
        return "; it was at work when " + workers(request->deaths) +
               " died, and is refused from now on, until clear_quarantine()";
    return effect(request->command, request->idempotent);
}

bool may_retry(const Worker& worker, const Death& death) {
    if (death.unsent) return true;
    if (!death.request) return worker.was_ready();  // a worker that never came is no reason to try again
    if (!death.request->taken) return true;
    return death.request->deaths == 0 && death.request->idempotent;
}

std::string remedy(const Worker& worker, const Death& death) {
    if (death.remedy) return worker.was_ready() && !death.remedy->empty() ? "; " + *death.remedy : std::string();
    if (!worker.is_ours())
        return "; it was started by process " + std::to_string(worker.launched().owner) +
               ", to which its end belongs: when that runs one again, restart() attaches to it";
    if (!worker.was_ready() || death.being_replaced) return {};
    return death.next_call_starts ? "; the next call starts another worker" : "; restart() starts another worker";
}

bool has_launcher(const Launched& launched) {
    return !launched.argv.empty() && launched.argv.front() != launched.interpreter.path;
}

/// An older worker gives no reason.
std::string older_habit(const Death& death, const platform::ExitStatus& status) {
    if (!death.of_older_kind || !death.request || !status.known || status.signal != 0 || status.code != 0) return {};
    if (death.request->command == protocol::kExitWord) return "; one of the older bridge ends so when it is asked to";
    return "; one of the older bridge ends so when it does not know a command, or cannot serve it";
}

std::string end_of_log(const std::string& tail) {
    return tail.empty() ? "; it wrote nothing to its log" : "; the end of its log:\n" + tail;
}

}  // namespace

std::string log_tail(const Launched& launched, std::size_t max_bytes) {
    return platform::read_tail(launched.directory + "/" + protocol::kLogFile, max_bytes, launched.log_start);
}

std::string workers(int count) {
    return std::to_string(count) + (count == 1 ? " worker" : " workers");
}

std::string effect(const std::string& command, bool idempotent) {
    return idempotent ? "; '" + command + "' is declared idempotent: it may be sent again"
                      : "; whether the request had an effect cannot be told";
}

RestartError report(const Worker& worker, const Death& death) {
    if (!death.unfit.empty()) return RestartError("cannot start a worker: " + death.unfit);
    const auto status = worker.status();
    std::string message = "the worker of session '" + death.session_id + "' (pid " + std::to_string(worker.pid()) +
                          ") " + status->describe() + moment(worker, death) + consequence(worker, death);
    const bool again = may_retry(worker, death);
    if (!death.removed_directory.empty() && !worker.is_ours())
        return RestartError(message + remedy(worker, death), ErrorCode::server_error, again);
    if (!death.removed_directory.empty())
        return RestartError(
            message + "; its directory '" + death.removed_directory + "' has been removed; start() makes a new one",
            ErrorCode::server_error, again);
    constexpr std::size_t kLogBytes = 4096;
    const std::string log = log_tail(worker.launched(), kLogBytes);
    message += older_habit(death, *status) + remedy(worker, death) + channel::fullness(worker.launched().directory);
    if (!worker.was_ready()) message += start_advice(worker.launched(), log);
    message += end_of_log(log);
    if (!worker.was_ready() && status->known && status->signal == 0 && status->code == 0)
        message += has_launcher(worker.launched())
                       ? "; its launcher came to its end: expected one that runs what follows it, and ends with that"
                       : "; it came to its end without serving: a server script ends with MyServer().run()";
    return RestartError(message, status->over_limit ? ErrorCode::quota_exhausted : ErrorCode::server_error, again);
}

}  // namespace tr::worker
