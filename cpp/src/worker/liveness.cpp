#include "worker/liveness.h"

#include <system_error>

#include "platform/file.h"
#include "platform/host.h"
#include "protocol/names.h"
#include "protocol/records.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::worker {

using platform::Deadline;

namespace {

/// What a worker has written before it answered; empty of an older one, and where there was no room.
std::string where(const Worker& worker) {
    try {
        const std::string path = worker.launched().directory + "/" + protocol::kWhereFile;
        return platform::read_file(path, protocol::kMaxRecordBytes).value_or("");
    } catch (const std::system_error&) {
    } catch (const TRException&) {  // it is no file, or too long
    }
    return {};
}

}  // namespace

std::int64_t milliseconds_since(Deadline::Clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Deadline::Clock::now() - start).count();
}

const char* to_string(Condition condition) {
    constexpr const char* kNames[] = {"none", "starting", "ready", "busy", "wedged", "stopped", "dead"};
    return kNames[static_cast<int>(condition)];
}

Liveness look_at(const Worker& worker, const channel::Channel& channel) {
    Liveness found;
    if (!worker.alive()) {
        found.condition = Condition::dead;
        return found;
    }
    const auto busy_since = channel.busy_since();
    const bool ready = worker.was_ready() || channel.has_status_of_a_server();
    found.condition = !ready ? Condition::starting : busy_since ? Condition::busy : Condition::ready;
    if (busy_since) found.busy_ms = milliseconds_since(*busy_since);
    if (busy_since) found.progress = channel.progress();
    if (platform::process_is_stopped(worker.pid())) found.condition = Condition::stopped;
    return found;
}

Liveness examine(const Worker& worker, const channel::Channel& channel, Deadline limit) {
    Liveness found = look_at(worker, channel);
    if (found.condition != Condition::starting && found.condition != Condition::busy) return found;
    const auto answered = [&channel] { return channel.answer_lies_ready(); };
    const auto begin = Deadline::Clock::now();
    const Deadline until = Deadline::at(begin + kSignOfLife).sooner(limit);
    const auto ping = worker.ask(until, [&] { return !worker.alive() || answered(); });
    if (!worker.alive())
        found.condition = Condition::dead;
    else if (answered())
        found.condition = Condition::ready;
    else if (ping == platform::Ping::answered) {
        found.interpreter_runs = true;
        found.where = where(worker);
    } else if (ping == platform::Ping::silent && Deadline::Clock::now() - begin >= kSignOfLife / 2)
        found.condition = Condition::wedged;
    else if (ping == platform::Ping::silent)
        found.silent_ms = milliseconds_since(begin);
    return found;
}

}  // namespace tr::worker
