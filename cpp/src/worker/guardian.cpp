#include "worker/guardian.h"

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>

#include "platform/fork.h"
#include "platform/host.h"
#include "platform/line_socket.h"
#include "platform/process.h"
#include "protocol/process_lines.h"

namespace tr::guardian {
namespace {

using platform::Deadline;

/// It answers in 20 ms, and what waits for it can do without.
constexpr std::int64_t kAnswerMs = 2'000;

/// This program's guardian; a fork of the program has one of its own.
struct Guardian {
    std::mutex mutex;
    const std::int64_t owner = platform::process_id();
    std::map<std::string, protocol::GuardedWorker> sessions;
    std::unique_ptr<platform::LineSocket> channel;
    std::unique_ptr<platform::Process>
        starter;          ///< forks the guardian and ends, so that it is no child of this program
    std::string problem;  ///< why there is none
    int unanswered = 0;
};

void forget_ended(std::map<std::string, protocol::GuardedWorker>& sessions) {
    std::error_code error;
    for (auto entry = sessions.begin(); entry != sessions.end();) {
        const auto& [directory, worker] = *entry;
        const bool lives = worker.pid != 0 && platform::process_start_time(worker.pid) == worker.start_time;
        entry = lives || std::filesystem::exists(directory, error) ? std::next(entry) : sessions.erase(entry);
    }
}

void launch(Guardian& guardian, const Start& start, const std::string& own_start_time) {
    guardian.unanswered = 0;
    guardian.channel = platform::LineSocket::open();
    if (!guardian.channel) return;
    platform::SpawnOptions spawn;
    spawn.argv = {start.interpreter,
                  "-I",
                  "-S",
                  start.package_directory + "/tech_renaissance/scripts/guardian.py",
                  std::to_string(guardian.owner),
                  own_start_time};
    spawn.environment = start.environment;
    spawn.working_directory = "/";
    spawn.output_path = "/dev/null";
    spawn.input = guardian.channel->child_end();
    spawn.detached = true;
    guardian.starter = platform::Process::spawn(spawn, [] {});
    guardian.channel->close_child_end();
}

void tell(Guardian& guardian) {
    guardian.channel->send_line(protocol::encode_guarded(guardian.sessions));
    ++guardian.unanswered;
}

}  // namespace

void watch(const std::string& directory, std::int64_t worker, const Start& start) {
    auto& guardian = platform::process_wide<Guardian>();
    const std::lock_guard<std::mutex> lock(guardian.mutex);
    const std::string own_start_time = platform::process_start_time(guardian.owner);
    if (own_start_time.empty()) return;  // no process could be told from another that gets its number later
    forget_ended(guardian.sessions);
    guardian.sessions[directory] = {worker, worker == 0 ? std::string() : platform::process_start_time(worker)};
    guardian.problem.clear();
    try {
        if (guardian.channel) {
            try {
                tell(guardian);
                return;
            } catch (const std::system_error&) {
                // Somebody has killed it.
            }
        }
        launch(guardian, start, own_start_time);
        if (guardian.channel) tell(guardian);
    } catch (const std::system_error& error) {
        guardian.channel.reset();
        guardian.problem = error.what();
    }
}

std::string confirm() {
    auto& guardian = platform::process_wide<Guardian>();
    const std::lock_guard<std::mutex> lock(guardian.mutex);
    const Deadline deadline = Deadline::after(kAnswerMs);
    for (; guardian.channel && guardian.unanswered > 0; --guardian.unanswered) {
        if (guardian.channel->receive_line(deadline)) continue;
        guardian.problem = deadline.passed() ? "it does not answer" : "it has ended";
        if (guardian.starter && guardian.starter->wait(deadline))
            guardian.problem = "it " + guardian.starter->status()->describe();
        guardian.channel.reset();
    }
    if (guardian.starter && (!guardian.channel || guardian.starter->wait(deadline))) guardian.starter.reset();
    return guardian.problem;
}

}  // namespace tr::guardian
