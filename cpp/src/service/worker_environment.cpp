#include "service/worker_environment.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "platform/host.h"

namespace tr::service {
namespace {

constexpr const char* kVariables[] = {"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"};

bool is_set_in(const SessionOptions& session) {
    const auto& removed = session.removed_environment;
    return std::any_of(std::begin(kVariables), std::end(kVariables), [&](const char* name) {
        return session.environment.count(name) > 0 || std::find(removed.begin(), removed.end(), name) != removed.end();
    });
}

bool is_set_here() {
    return std::any_of(std::begin(kVariables), std::end(kVariables),
                       [](const char* name) { return !platform::environment_variable(name).empty(); });
}

/// What a worker finds, as a number.
int threads_told(const SessionOptions& session) {
    const auto own = session.environment.find(kVariables[0]);
    const auto& removed = session.removed_environment;
    if (own == session.environment.end() && std::find(removed.begin(), removed.end(), kVariables[0]) != removed.end())
        return 0;
    const std::string text =
        own != session.environment.end() ? own->second : platform::environment_variable(kVariables[0]);
    return std::max(0, std::atoi(text.c_str()));
}

}  // namespace

int set_worker_environment(SessionOptions& session, const PoolOptions& options, int number, int among) {
    if (!options.worker_environment.empty()) {
        const auto& all = options.worker_environment;
        for (const auto& [name, value] : all[static_cast<std::size_t>(number) % all.size()])
            session.environment[name] = value;
    }
    const int asked = options.threads_per_worker;
    if (is_set_in(session) || (asked == 0 && is_set_here())) return threads_told(session);
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    const int threads = asked > 0 ? asked : std::max(1, cores / std::max(1, among));
    for (const char* name : kVariables) session.environment[name] = std::to_string(threads);
    return threads;
}

}  // namespace tr::service
