// Pools that lose a worker at each of its steps, with more calls under way than there are workers: each call ends with
// its answer or with the error that was declared for it, and the pool goes on.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cell.h"
#include "drive.h"
#include "faults.h"

namespace tr::faults {
namespace {

namespace fs = std::filesystem;
constexpr int kWorkers = 2;
constexpr int kThreads = 8;
constexpr int kAtOnceInBatches = 4;
constexpr int kCalls = 6;         // of each thread
constexpr int kMostAttempts = 6;  // for the worker that is to die to come by: which one gets what is the pool's affair

Shape shape_of(const std::vector<std::uint8_t>& bytes, bool rows) {
    constexpr std::int64_t kWidth = 100;
    const auto size = static_cast<std::int64_t>(bytes.size());
    return rows ? Shape(size / kWidth, kWidth) : Shape({size});
}

/// One pool, from its start to its end.
class PoolVictim {
  public:
    PoolVictim(const Arguments& arguments, Cell& cell, bool batches, bool repeats, bool quick_start)
        : cell_(cell),
          batches_(batches),
          repeats_(repeats),
          note_(fault_file(arguments) + ".died"),
          pool_(options(arguments, quick_start)) {}

    /// @returns how many calls failed, each in the declared way
    void everything() {
        try {
            pool_.start();
        } catch (const RestartError&) {
            ++cell_.outcomes["start() tells of it, and starts again"];
            pool_.start();
        }
        calls(false);
        calls(fs::exists(note_));  // who has not died yet may do so now
        pool_.drain();
        pool_.stop();
    }

  private:
    PoolOptions options(const Arguments& arguments, bool quick_start) const {
        PoolOptions chosen;
        chosen.session = options_for(arguments, "pool", quick_start);
        chosen.workers = kWorkers;
        chosen.on_death = repeats_ ? PoolOptions::OnDeath::repeat : PoolOptions::OnDeath::fail;
        if (!batches_) return chosen;
        chosen.session.script = std::string(TR_REPO_DIR) + "/tests/faults/batch_server.py";
        chosen.session.environment.erase("TR_FAULT_BARE");
        chosen.session.preload.push_back("numpy");
        chosen.session.max_ongoing_requests = kAtOnceInBatches;
        return chosen;
    }

    /// On all threads at once.
    /// @param well none may fail
    void calls(bool well) {
        std::vector<std::thread> threads;
        for (int i = 0; i < kThreads; ++i)
            threads.emplace_back([this, i, well] {
                for (int call = 0; call < kCalls; ++call) one_call(i, call, well);
            });
        for (auto& thread : threads) thread.join();
    }

    void one_call(int thread, int call, bool well) {
        const auto seed = static_cast<std::uint64_t>(++seed_);
        const std::string kind = batches_ ? "flip of rows" : call % 3 == 0 ? "echo" : call % 3 == 1 ? "flip" : "stream";
        try {
            if (batches_)
                flip_rows(seed);
            else if (call % 3 == 0)
                echo(seed, (thread + call) % 2 == 0 ? 20 : 100'000);
            else if (call % 3 == 1)
                flip(seed, (thread + call) % 2 == 0);
            else
                stream(seed);
            note("answered");
        } catch (const RestartError& error) {
            // What was declared, and what nobody can repeat: a stream that has begun.
            if (well || (repeats_ && kind != "stream"))
                violation(cell_.lost, kind + " was to be answered: " + error.what());
            else
                note("RestartError, as declared");
        } catch (const TimeoutError& error) {
            violation(cell_.hung, error.what());
        } catch (const std::exception& error) {
            violation(cell_.lost, error.what());
        }
    }

    void echo(std::uint64_t seed, std::size_t bytes) {
        const std::string text = std::to_string(seed) + std::string(bytes, 'x');
        if (pool_.fetch_response("echo " + text) != text) throw Violation("the echo of another call");
    }

    void flip(std::uint64_t seed, bool beside) {
        const auto input = pattern(seed, 5'000);
        const Tensor tensor = Tensor::from_vector(input, shape_of(input, false));
        expect(beside ? pool_.submit("flip", {tensor}).get() : pool_.calculate("flip", tensor), input);
    }

    void flip_rows(std::uint64_t seed) {
        const auto input = pattern(seed, 100 * (1 + seed % 20));
        expect(pool_.call("flip", TensorView(input.data(), shape_of(input, true))).tensor(), input);
    }

    void stream(std::uint64_t seed) {
        auto bytes = pattern(seed, 5'000);
        auto parts = pool_.stream("parts 3", {TensorView(bytes.data(), shape_of(bytes, false))});
        for (int part = 0; part < 4; ++part) {
            const auto found = parts.next();
            if (!found) throw Violation("a stream ended too soon");
            expect(*found, bytes);
            for (auto& byte : bytes) byte = static_cast<std::uint8_t>(~byte);
        }
    }

    /// Every byte's complement came.
    static void expect(const Tensor& found, const std::vector<std::uint8_t>& input) {
        const auto* bytes = static_cast<const std::uint8_t*>(found.raw_data());
        const auto differs = [](std::uint8_t a, std::uint8_t b) { return a != static_cast<std::uint8_t>(~b); };
        if (found.nbytes() != input.size() ||
            !std::equal(input.begin(), input.end(), bytes, [&](auto a, auto b) { return !differs(a, b); }))
            throw Violation("the bytes of another call");
    }

    void note(const std::string& outcome) {
        const std::lock_guard<std::mutex> lock(mutex_);
        ++cell_.outcomes[outcome];
    }
    void violation(int& count, const std::string& what) {
        const std::lock_guard<std::mutex> lock(mutex_);
        cell_.violation(count, what);
    }

    Cell& cell_;
    const bool batches_;
    const bool repeats_;
    const std::string note_;  ///< of the death
    std::atomic<int> seed_{0};
    std::mutex mutex_;
    Pool pool_;
};

void look_for_leftovers(const Arguments& arguments, Cell& cell, std::size_t descriptors) {
    for (const auto& entry : fs::directory_iterator(arguments.workspace + "/python_session"))
        if (entry.path().filename().string().rfind("tr_session_", 0) == 0)
            cell.violation(cell.leaked, "left in the workspace: " + entry.path().filename().string());
    if (const auto now = count_entries("/proc/self/fd"); now > descriptors)
        cell.violation(cell.leaked, std::to_string(now - descriptors) + " descriptors");
}

/// @returns false when the worker that was to die did not come by that passage of the step
bool kill_in_pool(const Arguments& arguments, Cell& cell, bool batches, int passage, int turn) {
    order_death(arguments, "worker", cell.step, passage);
    PoolVictim(arguments, cell, batches, turn % 2 == 0, turn % 4 < 3).everything();
    const auto died = time_of_death(arguments);
    fs::remove(fault_file(arguments));
    if (died) ++cell.kills;
    return died.has_value();
}

int deaths_in_pools(const Arguments& arguments, const std::string& who, bool batches) {
    Cell trace;
    order_death(arguments, "worker", "", 0);
    PoolVictim(arguments, trace, batches, false, false).everything();
    if (!trace.first_violation.empty()) throw Violation(trace.first_violation);
    PoolVictim(arguments, trace, batches, false, true).everything();
    const auto descriptors = count_entries("/proc/self/fd");  // with that of a template
    for (const auto& [step, passages] : chosen_steps(arguments, fault_file(arguments) + ".trace")) {
        Cell cell;
        cell.who = who;
        cell.carrier = arguments.carrier;
        cell.step = step;
        for (int i = 0; i < arguments.kills; ++i) {
            bool died = kill_in_pool(arguments, cell, batches, 1 + i % std::min(passages, 3), i);
            for (int attempt = 1; !died && attempt < kMostAttempts; ++attempt)
                died = kill_in_pool(arguments, cell, batches, 1, i);
            if (!died) cell.violation(cell.lost, "the worker never came by this step");
        }
        look_for_leftovers(arguments, cell, descriptors);
        cell.print();
    }
    return 0;
}

}  // namespace

int pool_deaths(const Arguments& arguments) {
    return deaths_in_pools(arguments, "pool's worker", false);
}

int batch_deaths(const Arguments& arguments) {
    return deaths_in_pools(arguments, "worker with batches", true);
}

}  // namespace tr::faults
