#include "service/worker_environment.h"

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "platform/host.h"
#include "service/gpus.h"

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

/// What a worker finds; empty where there is no such variable.
std::string told(const SessionOptions& session, const char* name) {
    const auto own = session.environment.find(name);
    if (own != session.environment.end()) return own->second;
    const auto& removed = session.removed_environment;
    return std::find(removed.begin(), removed.end(), name) != removed.end() ? "" : platform::environment_variable(name);
}

void set_threads(SessionOptions& session, const PoolOptions& options, int among) {
    const int asked = options.threads_per_worker;
    if (is_set_in(session) || (asked == 0 && is_set_here())) return;
    const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    const int own = std::max(1, cores / std::max(1, among));
    const int threads = asked > 0 ? asked : options.resources.cpu > 0 ? std::min(options.resources.cpu, own) : own;
    for (const char* name : kVariables) session.environment[name] = std::to_string(threads);
}

}  // namespace

Share set_worker_environment(SessionOptions& session, const PoolOptions& options, int number, int among) {
    if (!options.worker_environment.empty()) {
        const auto& all = options.worker_environment;
        for (const auto& [name, value] : all[static_cast<std::size_t>(number) % all.size()])
            session.environment[name] = value;
    }
    set_threads(session, options, among);
    const auto& removed = session.removed_environment;
    if (options.resources.gpu > 0 && session.environment.count(kGpus) == 0 &&
        std::find(removed.begin(), removed.end(), kGpus) == removed.end())
        session.environment[kGpus] = gpus_of_worker(options.resources.gpu, number, gpus_here());
    return {std::max(0, std::atoi(told(session, kVariables[0]).c_str())), told(session, kGpus)};
}

}  // namespace tr::service
