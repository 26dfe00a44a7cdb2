#include "worker/stop_ladder.h"

#include <cstdint>
#include <string>

#include "platform/deadline.h"

namespace tr::worker {
namespace {

using platform::Deadline;

/// What is done, how long it may take, and what the log says when it has not helped by then.
struct Rung {
    void (platform::Process::*action)();
    std::int64_t patience_ms;  ///< 0: for ever
    const char* in_vain;
};

constexpr Rung kLadder[] = {
    {&platform::Process::terminate, 500, "has not ended 500 ms after SIGTERM; it gets SIGKILL after 2000 ms"},
    {nullptr, 1'500, "is sent SIGKILL"},
    {&platform::Process::kill, 0, ""},
};

}  // namespace

void stop(const Worker& worker, SessionLog& log) {
    if (!worker.alive()) return;
    if (!worker.is_ours()) return worker.process().kill();
    const std::string name = "worker " + std::to_string(worker.pid()) + " ";
    for (const auto& rung : kLadder) {
        if (rung.action != nullptr) (worker.process().*rung.action)();
        if (worker.wait(Deadline::after(rung.patience_ms))) break;
        log(LogLevel::warning, name + rung.in_vain);
    }
    log(LogLevel::info, "worker " + worker.status()->describe());
}

}  // namespace tr::worker
