#include "worker/liveness.h"

#include "platform/host.h"

namespace tr::worker {

using platform::Deadline;

std::int64_t milliseconds_since(Deadline::Clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Deadline::Clock::now() - start).count();
}

Liveness look_at(const Worker& worker, const channel::Channel& channel) {
    Liveness found;
    if (!worker.alive()) {
        found.state = "dead";
        return found;
    }
    const auto busy_since = channel.busy_since();
    const bool ready = worker.was_ready() || channel.has_status_of_a_server();
    found.state = !ready ? "starting" : busy_since ? "busy" : "ready";
    if (busy_since) found.busy_ms = milliseconds_since(*busy_since);
    if (busy_since) found.progress = channel.progress();
    if (platform::process_is_stopped(worker.pid())) found.state = "stopped";
    return found;
}

Liveness examine(const Worker& worker, const channel::Channel& channel, Deadline limit) {
    Liveness found = look_at(worker, channel);
    if (found.state != "starting" && found.state != "busy") return found;
    const auto answered = [&channel] { return channel.answer_lies_ready(); };
    const auto begin = Deadline::Clock::now();
    const Deadline until = Deadline::at(begin + kSignOfLife).sooner(limit);
    const auto ping = worker.ask(until, [&] { return !worker.alive() || answered(); });
    if (!worker.alive())
        found.state = "dead";
    else if (answered())
        found.state = "ready";
    else if (ping == platform::Ping::answered)
        found.interpreter_runs = true;
    else if (ping == platform::Ping::silent && Deadline::Clock::now() - begin >= kSignOfLife / 2)
        found.state = "wedged";
    else if (ping == platform::Ping::silent)
        found.silent_ms = milliseconds_since(begin);
    return found;
}

}  // namespace tr::worker
