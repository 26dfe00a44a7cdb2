// What can be asked of a session without waiting for anything, and what makes event_fd() readable.
#include <system_error>

#include "channel/place_error.h"
#include "platform/file.h"
#include "platform/host.h"
#include "protocol/batch_stats.h"
#include "protocol/names.h"
#include "protocol/records.h"
#include "session/core.h"
#include "worker/liveness.h"

namespace tr::session {

// --------------------------------------------------------------------------------------------------------- answers

bool Core::answer_lies_ready(std::uint64_t request) const {
    if (inbox.has(request)) return true;
    for (std::size_t i = 0; i < turns.count(); ++i)
        if (channel(i).answer_pending(request)) return true;
    return false;
}

bool Core::answer_will_not_come(std::uint64_t request) const {
    if (!has_died()) return false;
    for (std::size_t i = 0; i < turns.count(); ++i)
        if (channel(i).answer_is_missing(request)) return true;
    return false;
}

void Core::throw_nothing_sent() const {
    std::string others;
    for (std::size_t i = 0; i < turns.count() && others.empty(); ++i) {
        const auto sender = channel(i).sender();
        if (!sender) continue;
        const std::string who =
            sender->thread == 0 ? "a thread that has ended" : "thread " + std::to_string(sender->thread);
        others = "; request " + std::to_string(sender->request) + " '" + sender->command + "' was sent by " + who +
                 ", and its answer is for that one, or for who has the SentRequest that send_request() gave";
    }
    throw InputError("this thread has no request in session '" + id() + "' whose answer could be read: send one first" +
                     others);
}

void Core::throw_read_before(std::uint64_t request) const {
    throw InputError("the answer to request " + std::to_string(request) + " of session '" + id() +
                     "' has been read, or has been told to be lost: expected to be asked for it once");
}

// ---------------------------------------------------------------------------------------------------------- events

bool Core::look_whether_alive() {
    const auto now = worker();
    if (now && now->alive()) return true;
    if (now && told_death_of_.exchange(now->epoch()) != now->epoch()) changed();
    return false;
}

int Core::event_descriptor() {
    const std::lock_guard<std::mutex> lock(events_mutex_);
    try {
        if (!events_) events_ = std::make_unique<EventDescriptor>(*this);
    } catch (const std::system_error& error) {
        channel::throw_place_error(error, directory(), 0, "event_fd() needs a thread and two descriptors");
    }
    events_in_use_.store(events_.get(), std::memory_order_release);
    events_->update();
    return events_->descriptor();
}

bool Core::something_to_take() const {
    if (inbox.has_any() || streams_with_more.load() > 0) return true;
    const auto now = worker();
    if (!now) return false;
    const bool dead = !now->alive();
    if (dead && told_death_of_.load() != now->epoch() && !supervisor.ended_on_purpose()) return true;
    bool starts = false;
    const bool found = turns.any_unused([&](std::size_t i) {
        starts = starts || (i == 0 && !dead && !now->was_ready());
        return channel(i).waits_to_be_read(dead);
    });
    return found || (starts && first().has_status_of_a_server());
}

// ----------------------------------------------------------------------------------------------------------- facts

SessionEvent Core::event(SessionEvent::Kind kind, const worker::Worker* worker) const {
    SessionEvent event;
    event.kind = kind;
    if (worker != nullptr) event.epoch = worker->epoch();
    if (worker != nullptr) event.worker_pid = worker->pid();
    return event;
}

namespace {

/// The one that has been at work for the longest, as a worker is what its slowest request is.
const channel::Channel& busiest(const Core& core) {
    const channel::Channel* found = &core.first();
    auto since = found->busy_since();
    for (std::size_t i = 1; i < core.turns.count(); ++i) {
        const auto other = core.channel(i).busy_since();
        if (!other || (since && *since <= *other)) continue;
        found = &core.channel(i);
        since = other;
    }
    return *found;
}

/// As the worker has written them last.
std::map<std::string, BatchStats> batches_in(const std::string& directory, std::uint64_t epoch) {
    try {
        const auto text = platform::read_file(directory + "/" + protocol::kBatchesFile, protocol::kMaxRecordBytes);
        if (text) return protocol::parse_batches(*text, epoch);
    } catch (const std::system_error&) {
    } catch (const TRException&) {  // it is no file, or too long
    }
    return {};
}

}  // namespace

SessionStats Core::stats() const {
    SessionStats stats;
    record.fill(stats);
    const auto facts = first().facts();
    stats.carrier = facts.carrier;
    stats.host_wake_up = facts.host_wake_up;
    stats.worker_wake_up = facts.worker_wake_up;
    stats.worker_mailbox = facts.worker_mailbox;
    stats.fallback = facts.fallback;
    const std::string directory = launcher_->session_directory();
    if (!directory.empty()) stats.file_system = platform::file_system_name(directory);
    stats.epoch = launcher_->epoch();
    if (const auto* quarantine = supervisor.quarantine()) stats.quarantined = quarantine->refused();
    stats.kept = post_mortem.last();
    stats.channels = static_cast<int>(turns.count());
    for (int i = 0; i < stats.channels; ++i)
        if (const auto tensors = channel(static_cast<std::size_t>(i)).shared_tensors())
            stats.bytes_held += tensors->bytes_held();
    worker::Liveness found;
    if (const auto now = worker()) {
        found = worker::look_at(*now, busiest(*this));
        stats.start = now->launched().start;
        stats.python = now->launched().interpreter.path;
        stats.worker_pid = now->pid();
        stats.batches = batches_in(now->launched().directory, now->epoch());
    }
    stats.worker_state = to_string(found.condition);
    stats.busy_ms = found.busy_ms;
    stats.progress = found.progress;
    return stats;
}

std::string Core::progress() const {
    if (!is_alive()) return {};
    const auto& channel = busiest(*this);
    return channel.is_busy() ? channel.progress() : std::string();
}

WorkerHealth Core::probe() const {
    WorkerHealth health;
    const auto now = worker();
    worker::Liveness found;
    if (now) found = worker::examine(*now, busiest(*this), Deadline::never());
    health.state = to_string(found.condition);
    health.busy_ms = found.busy_ms;
    health.progress = found.progress;
    return health;
}

}  // namespace tr::session
