#include "session/recorder.h"

#include <exception>

namespace tr {

std::string to_string(SessionEvent::Kind kind) {
    switch (kind) {
        case SessionEvent::Kind::started:
            return "started";
        case SessionEvent::Kind::ready:
            return "ready";
        case SessionEvent::Kind::sent:
            return "sent";
        case SessionEvent::Kind::answered:
            return "answered";
        case SessionEvent::Kind::failed:
            return "failed";
        case SessionEvent::Kind::died:
            return "died";
        case SessionEvent::Kind::restarted:
            break;
    }
    return "restarted";
}

namespace session {

void Recorder::operator()(SessionEvent event) {
    using Kind = SessionEvent::Kind;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (event.kind == Kind::sent) {
            ++requests_;
            bytes_sent_ += event.bytes;
        } else if (event.kind == Kind::answered) {
            ++responses_;
            bytes_received_ += event.bytes;
            last_round_trip_us_ = event.duration_us;
        } else if (event.kind == Kind::failed) {
            ++failures_;
        }
    }
    if (!observer_) return;
    event.time = std::chrono::steady_clock::now();
    event.session_id = name_.text();
    try {
        observer_(event);
    } catch (...) {
        // Nothing of what is under way may end because of who looks on.
    }
}

void Recorder::sent_by_hand(std::uint64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    bytes_sent_ += bytes;
}

void Recorder::fill(SessionStats& stats) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    stats.requests = requests_;
    stats.responses = responses_;
    stats.failures = failures_;
    stats.bytes_sent = bytes_sent_;
    stats.bytes_received = bytes_received_;
    stats.last_round_trip_us = last_round_trip_us_;
}

}  // namespace session
}  // namespace tr
