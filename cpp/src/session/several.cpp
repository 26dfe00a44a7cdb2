// Several sessions at once, side by side.
#include <algorithm>
#include <exception>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "session/core.h"

namespace tr {

using platform::Deadline;
using session::Core;

namespace {

void require_sessions(const std::vector<PythonSession*>& sessions) {
    if (std::find(sessions.begin(), sessions.end(), nullptr) != sessions.end())
        throw InputError("one of the sessions is a null pointer: expected addresses of sessions");
}

}  // namespace

void start_all(const std::vector<PythonSession*>& sessions, Limit limit) {
    std::exception_ptr first;
    const auto attempt = [&first](const auto& what) {
        try {
            what();
        } catch (const TRException&) {
            if (!first) first = std::current_exception();
        }
    };
    std::vector<std::pair<Core*, Deadline>> starting;
    require_sessions(sessions);
    for (PythonSession* session : sessions) {
        auto& core = session->core();
        attempt([&] {
            const Deadline deadline = core.deadline_of(limit);
            core.start(deadline);
            starting.emplace_back(&core, deadline);
        });
    }
    for (const auto& [core, deadline] : starting)
        attempt([core = core, deadline = deadline] { core->wait_until_ready(deadline); });
    if (first) std::rethrow_exception(first);
}

void stop_all(const std::vector<PythonSession*>& sessions) {
    require_sessions(sessions);
    std::vector<Core*> cores;
    for (PythonSession* session : sessions) {
        cores.push_back(&session->core());
        cores.back()->log.refuse_in_callback();
    }
    std::vector<std::thread> threads;
    for (Core* core : cores) {
        try {
            threads.emplace_back([core] { core->stop(); });
        } catch (const std::system_error&) {
            core->stop();  // no room for a thread: after the ones that have one
        }
    }
    for (auto& thread : threads) thread.join();
}

}  // namespace tr
