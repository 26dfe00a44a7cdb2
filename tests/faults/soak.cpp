// One host of the soak: sessions used by several threads while their workers are killed and stopped, in rounds; after
// each round, with all sessions gone, the process has to be what it was after the second.
#include "soak.h"

#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "faults.h"

namespace tr::faults {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// What must not grow.
struct Census {
    std::size_t descriptors = count_entries("/proc/self/fd");
    std::size_t mappings = 0;
    std::size_t threads = count_entries("/proc/self/task");
    std::size_t kilobytes = 0;

    Census() {
        ::malloc_trim(0);
        std::ifstream maps("/proc/self/maps");
        for (std::string line; std::getline(maps, line);) ++mappings;
        std::ifstream status("/proc/self/status");
        for (std::string word; status >> word;)
            if (word == "VmRSS:") status >> kilobytes;
    }
};

std::ostream& operator<<(std::ostream& out, const Census& census) {
    return out << census.descriptors << " descriptors, " << census.mappings << " mappings, " << census.threads
               << " threads, " << census.kilobytes / 1024 << " MiB";
}

class Round {
  public:
    Round(const Arguments& arguments, Progress& progress, std::uint64_t seed)
        : arguments_(arguments), progress_(progress), random_(seed) {
        static const char* const carriers[] = {"mailbox", "inotify", "mailbox-ctypes", "mailbox-0us", "polling"};
        for (int i = 0; i < arguments.sessions; ++i) {
            Arguments own = arguments;
            own.carrier = carriers[i % std::size(carriers)];
            const bool quick_start = (static_cast<std::uint64_t>(i) + seed) % 2 == 0;
            auto options = options_for(own, arguments.who + std::to_string(i), quick_start);
            options.script = std::string(TR_REPO_DIR) + "/tests/faults/soak_server.py";
            options.environment.erase("TR_FAULT_BARE");
            options.preload.push_back("numpy");
            options.default_timeout_ms = 60'000;
            sessions_.push_back(std::make_unique<PythonSession>(options));
            sessions_.back()->start();
            ++progress_.sessions;
        }
        Arguments own = arguments;
        own.carrier = seed % 2 == 0 ? "mailbox" : "inotify";
        auto options = options_for(own, arguments.who + "pool", seed % 4 < 2);
        options.environment.erase("TR_FAULT_BARE");
        options.preload.push_back("numpy");
        options.default_timeout_ms = 60'000;
        pool_ = std::make_unique<Pool>(soak_pool_options(std::move(options), seed % 3 != 0));
    }

    void run(Clock::time_point end) {
        std::vector<std::thread> threads;
        for (auto& session : sessions_)
            for (int i = 0; i < arguments_.threads; ++i)
                threads.emplace_back([this, &session, end, i, seed = random_()] {
                    Soaker soaker(*session, progress_, "shared_" + std::to_string(i), seed);
                    while (Clock::now() < end) soaker.one_request();
                });
        for (int i = 0; i < 2 * arguments_.threads; ++i)
            threads.emplace_back([this, end, seed = random_()] {
                PoolSoaker soaker(*pool_, progress_, seed);
                while (Clock::now() < end)
                    if (pool_runs()) soaker.one_request();
            });
        while (Clock::now() < end) harm();
        for (auto& thread : threads) thread.join();
    }

  private:
    /// Started by whoever comes first, beside what is done with the sessions.
    bool pool_runs() {
        try {
            std::call_once(pool_started_, [this] {
                pool_->start();
                progress_.sessions += 2;
            });
            return true;
        } catch (const RestartError&) {
            return false;  // a worker was killed while it came up
        }
    }

    /// Its number may be another process's by now.
    bool is_ours(pid_t worker) const {
        return read_text("/proc/" + std::to_string(worker) + "/environ").find(arguments_.workspace) !=
               std::string::npos;
    }

    pid_t any_worker() {
        const auto which = random_() % (sessions_.size() + 2);
        if (which < sessions_.size()) return static_cast<pid_t>(sessions_[which]->stats().worker_pid);
        return static_cast<pid_t>(pool_->stats().workers[which - sessions_.size()].pid);
    }

    /// Kills a worker, or stops it for a while. The pauses are the pace of this, and no test waits for them.
    void harm() {
        const auto pause = [this](int most) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1 + random_() % static_cast<unsigned>(most)));
        };
        pause(400);
        const auto worker = any_worker();
        if (worker <= 1 || !is_ours(worker)) return;
        if (random_() % 3 != 0) {
            ::kill(worker, SIGKILL);
            ++progress_.worker_kills;
            return;
        }
        ::kill(worker, SIGSTOP);
        pause(100);
        ::kill(worker, SIGCONT);
        ++progress_.worker_stops;
    }

    const Arguments& arguments_;
    Progress& progress_;
    std::mt19937_64 random_;
    std::vector<std::unique_ptr<PythonSession>> sessions_;
    std::unique_ptr<Pool> pool_;
    std::once_flag pool_started_;
};

/// @returns whether all is as it was
bool is_flat(const Census& first, const Census& now) {
    constexpr std::size_t kSpareMappings = 24;  // stacks and arenas that glibc keeps for the next thread
    constexpr std::size_t kSpareKilobytes = 48U << 10;
    return now.descriptors <= first.descriptors && now.threads <= first.threads &&
           now.mappings <= first.mappings + kSpareMappings && now.kilobytes <= first.kilobytes + kSpareKilobytes;
}

}  // namespace

int soak(const Arguments& arguments) {
    ::mallopt(M_MMAP_THRESHOLD, 128 << 10);  // so that what is freed is gone, and memory in use can be told
    Progress& progress = map_progress(arguments.progress);
    const auto end = Clock::now() + std::chrono::milliseconds(static_cast<std::int64_t>(arguments.seconds * 1000));
    const auto length = std::chrono::milliseconds(static_cast<std::int64_t>(arguments.seconds * 1000 / 12));
    std::unique_ptr<Census> first;
    bool flat = true;
    for (std::uint64_t round = 0; Clock::now() < end; ++round) {
        Round(arguments, progress, arguments.seed * 1000 + round).run(std::min(end, Clock::now() + length));
        const Census now;
        // After two rounds all has been used once: by then each kind of template runs.
        if (round == 1) first = std::make_unique<Census>(now);
        flat = flat && (!first || is_flat(*first, now));
        std::cout << "round " << round + 1 << ": " << now << '\n' << std::flush;
    }
    return flat ? 0 : 1;
}

}  // namespace tr::faults
