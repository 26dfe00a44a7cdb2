#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "channel/channel.h"
#include "platform/deadline.h"
#include "worker/worker.h"

namespace tr::worker {

/// How a worker is, as WorkerHealth and SessionStats say it.
enum class Condition { none, starting, ready, busy, wedged, stopped, dead };
const char* to_string(Condition condition);

struct Liveness {
    Condition condition = Condition::none;
    std::int64_t busy_ms = 0;
    std::string progress;
    bool interpreter_runs = false;            ///< it answered just now
    std::string where;                        ///< what it said then of where its code stands; for protocol::parse_where
    std::optional<std::int64_t> silent_ms{};  ///< it was silent for so long, which is too short to call it wedged
};

/// How long to wait for a sign of life; half of it without one is enough to call a worker wedged. Pure Python code lets
/// another thread run every 5 ms; the rest is for a machine under load.
inline constexpr std::chrono::milliseconds kSignOfLife{200};

/// What can be told without asking the worker.
Liveness look_at(const Worker& worker, const channel::Channel& channel);
/// Asks one that is at work for a sign of life, which takes up to kSignOfLife when it gives none, and ends with the
/// limit.
Liveness examine(const Worker& worker, const channel::Channel& channel, platform::Deadline limit);

std::int64_t milliseconds_since(platform::Deadline::Clock::time_point start);

}  // namespace tr::worker
