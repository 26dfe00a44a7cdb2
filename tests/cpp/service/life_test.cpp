// How pools start, grow, shrink, reload, drain and stop; also under load.
#include <atomic>

#include "support.h"

namespace tr::test {
namespace {

class PoolLifeTest : public PoolTest {
  protected:
    /// Calls without an end, until it goes; none of them may fail.
    class Load {
      public:
        explicit Load(const Pool& pool, int threads = 4) {
            for (int i = 0; i < threads; ++i)
                threads_.emplace_back([this, &pool, i] {
                    for (int k = 0; !ends_; ++k) {
                        const std::string word = std::to_string(i) + "-" + std::to_string(k);
                        if (pool.fetch_response("echo " + word) != word) ++wrong;
                        ++done;
                    }
                });
        }
        ~Load() {
            ends_ = true;
            for (auto& thread : threads_) thread.join();
        }
        bool goes_on() const {
            const int before = done;
            return eventually([&] { return done > before + 20; });
        }
        std::atomic<int> done{0};
        std::atomic<int> wrong{0};

      private:
        std::atomic<bool> ends_{false};
        std::vector<std::thread> threads_;
    };
};

TEST_F(PoolLifeTest, OptionsAreChecked) {
    auto options = pool_options(0);
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { Pool pool(options); }).what(),
                         "PoolOptions::workers is 0: expected 1 to 1024"));
    options = pool_options(1);
    options.max_queue_size = -1;
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { Pool pool(options); }).what(), "PoolOptions::max_queue_size"));
    options = pool_options(1);
    options.session.max_ongoing_requests = 0;
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { Pool pool(options); }).what(), "max_ongoing_requests is 0"));
    Pool pool(pool_options(1));
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { pool.fetch_response("pid"); }).what(),
                         "'pid' was not called: the pool does not run: call start() first"));
    EXPECT_EQ(pool.stats().workers.at(0).state, "stopped");
}

TEST_F(PoolLifeTest, TheErrorOfOneEndsTheOthers) {
    auto options = pool_options(3);
    options.worker_environment = {{}, {}, {{"FAILS", "1"}}};
    Pool pool(options);
    const auto error = expect_throw<RestartError>([&] { pool.start(); });
    EXPECT_TRUE(contains(error.what(), "it cannot start"));
    for (const auto& worker : pool.stats().workers) {
        EXPECT_EQ(worker.state, "stopped");
        EXPECT_FALSE(process_runs(worker.pid));
    }
}

TEST_F(PoolLifeTest, AnIdGetsTheNumberOfTheWorker) {
    Pool pool(pool_options());
    pool.start();
    EXPECT_EQ(pool.stats().workers.at(0).session_id, "pool-0");
    EXPECT_EQ(pool.stats().workers.at(1).session_id, "pool-1");
    EXPECT_EQ(PythonSession::list(workspace_.path()).size(), 2U);
}

TEST_F(PoolLifeTest, ThreadsAreDivided) {
    ::unsetenv("OMP_NUM_THREADS");
    const auto told = [](const PoolOptions& options, const std::string& name) {
        Pool pool(options);
        pool.start();
        return std::to_string(pool.stats().workers.at(0).threads) + " " + pool.fetch_response("environment " + name);
    };
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    const std::string share = std::to_string(std::max(1U, cores / 2));
    EXPECT_EQ(told(pool_options(), "MKL_NUM_THREADS"), share + " " + share);
    auto options = pool_options();
    options.threads_per_worker = 3;
    EXPECT_EQ(told(options, "OPENBLAS_NUM_THREADS"), "3 3");
    options.session.environment["OMP_NUM_THREADS"] = "5";
    EXPECT_EQ(told(options, "OMP_NUM_THREADS"), "5 5");
    EXPECT_EQ(told(options, "MKL_NUM_THREADS"), "5 ");
    ::setenv("OMP_NUM_THREADS", "7", 1);
    EXPECT_EQ(told(pool_options(), "OMP_NUM_THREADS"), "7 7");
    ::unsetenv("OMP_NUM_THREADS");
}

TEST_F(PoolLifeTest, CoresAndGpusAreDividedAsDeclared) {
    ::unsetenv("OMP_NUM_THREADS");
    ::setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5,7", 1);
    const auto told = [](const PoolOptions& options) {
        std::string all;
        for (const auto& worker : Pool(options).stats().workers) all += worker.gpus + " ";
        return all;
    };
    auto options = pool_options(3);
    options.resources = {1, 1};
    EXPECT_EQ(told(options), "3 GPU-5 7 ");
    Pool pool(options);
    pool.start();
    EXPECT_EQ(pool.fetch_response("environment CUDA_VISIBLE_DEVICES"), "3");
    EXPECT_EQ(pool.fetch_response("environment OMP_NUM_THREADS"), "1");
    const auto fourth = expect_throw<InputError>([&] { pool.resize(4); });
    EXPECT_TRUE(
        contains(fourth.what(), "resources.gpu is 1, so 4 workers need 4 GPUs, and there are 3, 3,GPU-5,7, in "));
    EXPECT_EQ(pool.size(), 3);
    options.resources.gpu = 0.5;
    EXPECT_EQ(told(options), "3 3 GPU-5 ");
    options.workers = 1;
    options.resources.gpu = 2;
    EXPECT_EQ(told(options), "3,GPU-5 ");
    options.resources.gpu = 1.5;
    expect_throw<InputError>([&] { told(options); });
    options.session.environment["CUDA_VISIBLE_DEVICES"] = "9";  // what the user says stays
    EXPECT_EQ(told(options), "9 ");
    options.session.environment.erase("CUDA_VISIBLE_DEVICES");
    ::setenv("CUDA_VISIBLE_DEVICES", "", 1);
    options.resources.gpu = 1;
    const auto none = expect_throw<InputError>([&] { told(options); });
    EXPECT_TRUE(contains(none.what(), "so 1 worker needs 1 GPUs, and there are 0, in CUDA_VISIBLE_DEVICES or as "));
    ::unsetenv("CUDA_VISIBLE_DEVICES");
    options.resources = {1'000'000, 0};
    options.workers = 2;
    const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
    EXPECT_EQ(Pool(options).stats().workers.at(1).threads, static_cast<int>(std::max(1U, cores / 2)));
}

TEST_F(PoolLifeTest, EachWorkerHasItsEnvironment) {
    auto options = pool_options(3);
    options.balance = PoolOptions::Balance::round_robin;
    options.worker_environment = {{{"GPU", "0"}}, {{"GPU", "1"}}};
    Pool pool(options);
    pool.start();
    std::multiset<std::string> seen;
    for (int i = 0; i < 3; ++i) seen.insert(pool.fetch_response("environment GPU"));
    EXPECT_EQ(seen, (std::multiset<std::string>{"0", "0", "1"}));
}

TEST_F(PoolLifeTest, ResizeUnderLoad) {
    Pool pool(pool_options(1));
    pool.start();
    Load load(pool);
    const auto first = pids(pool);
    pool.resize(3);
    EXPECT_EQ(pool.size(), 3);
    EXPECT_EQ(pids(pool).size(), 3U);
    EXPECT_TRUE(load.goes_on());
    const auto three = pids(pool);
    pool.resize(1);
    EXPECT_EQ(pids(pool), first);
    EXPECT_TRUE(load.goes_on());
    EXPECT_EQ(load.wrong, 0);
    for (const auto pid : three) EXPECT_EQ(process_runs(pid), first.count(pid) == 1);
    EXPECT_GE(pool.stats().calls, static_cast<std::uint64_t>(load.done.load()) - 4);
    EXPECT_EQ(pool.stats().failures, 0U);
}

TEST_F(PoolLifeTest, AWorkerThatIsTooManyFinishesItsWork) {
    Pool pool(pool_options(2));
    pool.start();
    const Gate first(path("first"));
    const Gate second(path("second"));
    std::string texts[2];
    Beside one([&] { texts[0] = pool.fetch_response(first.command()); });
    const int first_held = first.reached();
    Beside two([&] { texts[1] = pool.fetch_response(second.command()); });
    const int second_held = second.reached();
    EXPECT_TRUE(contains(expect_throw<TimeoutError>([&] { pool.resize(1, 30); }).what(),
                         "while waiting for workers to finish what is at work"));
    EXPECT_EQ(pool.stats().workers.at(1).state, "leaving");
    ::close(first_held);
    ::close(second_held);
    one.join();
    two.join();
    pool.resize(1);
    EXPECT_EQ(pool.stats().workers.size(), 1U);
    EXPECT_EQ(pool.fetch_response("echo x"), "x");
}

TEST_F(PoolLifeTest, ReloadUnderLoad) {
    Pool pool(pool_options(2));
    pool.start();
    const auto before = pids(pool);
    {
        Load load(pool);
        pool.reload();
        EXPECT_TRUE(load.goes_on());
        EXPECT_EQ(load.wrong, 0);
    }
    for (const auto pid : pids(pool)) EXPECT_EQ(before.count(pid), 0U);
    EXPECT_EQ(pool.stats().failures, 0U);
    EXPECT_EQ(pool.stats().restarts, 2U);
}

TEST_F(PoolLifeTest, AReloadEndsWithTheFirstThatFails) {
    auto options = pool_options(2);
    options.session.environment["BROKEN"] = path("broken");
    Pool pool(options);
    pool.start();
    std::ofstream(path("broken")) << "x";
    const auto second = pid_of(pool, 1);
    EXPECT_TRUE(contains(expect_throw<RestartError>([&] { pool.reload(); }).what(), "it cannot start"));
    EXPECT_EQ(pool.stats().workers.at(0).state, "failed");
    EXPECT_EQ(pid_of(pool, 1), second);
    EXPECT_EQ(pool.fetch_response("echo on"), "on");
    fs::remove(path("broken"));
    pool.reload();
    EXPECT_TRUE(all_serve(pool));
}

TEST_F(PoolLifeTest, DrainLetsNobodyIn) {
    Pool pool(pool_options(1));
    pool.start();
    const Gate gate(path("gate"));
    std::string text;
    Beside busy([&] { text = pool.fetch_response(gate.command()); });
    const int held = gate.reached();
    auto waits = pool.submit("double", {number(4)});
    expect_throw<TimeoutError>([&] { pool.drain(20); });
    const auto refused = expect_throw<RetryError>([&] { pool.fetch_response("pid"); });
    EXPECT_TRUE(contains(refused.what(), "'pid' was not called: the pool has been drained, and lets no calls in"));
    Beside releases([&] { ::close(held); });
    pool.drain();
    EXPECT_TRUE(waits.is_ready());
    EXPECT_EQ(first_of(waits.get()), 8);
    EXPECT_EQ(pool.stats().in_flight, 0);
    pool.start();
    EXPECT_EQ(pool.fetch_response("echo again"), "again");
}

TEST_F(PoolLifeTest, StopEndsWhatIsAtWorkAndRefusesWhatWaits) {
    Pool pool(pool_options(1));
    pool.start();
    const Gate gate(path("gate"));
    Beside busy([&] { EXPECT_THROW(pool.fetch_response(gate.command()), TRException); });
    const int held = gate.reached();
    auto waits = pool.submit("double", {number(4)});
    const auto pid = pid_of(pool, 0);
    pool.stop();
    busy.join();
    ::close(held);
    const auto refused = expect_throw<RetryError>([&] { waits.get(); });
    EXPECT_EQ(refused.code(), ErrorCode::cancelled);
    EXPECT_TRUE(contains(refused.what(), "the pool was stopped before its turn came"));
    EXPECT_FALSE(process_runs(pid));
    expect_throw<InputError>([&] { pool.fetch_response("pid"); });
    pool.stop();
    pool.start();
    EXPECT_EQ(pool.fetch_response("echo again"), "again");
    EXPECT_EQ(pool.stats().restarts, 0U);
}

TEST_F(PoolLifeTest, StopEndsAStart) {
    const Gate gate(path("gate"));
    auto options = pool_options(2);
    options.session.launcher = {"/bin/sh", "-c", "cat " + gate.path() + "; exec \"$@\"", "sh"};
    Pool pool(options);
    Beside starts([&] { EXPECT_EQ(expect_throw<RetryError>([&] { pool.start(); }).code(), ErrorCode::cancelled); });
    const int held = gate.reached();
    pool.stop();
    starts.join();
    ::close(held);
    EXPECT_EQ(pool.stats().workers.at(0).state, "stopped");
}

TEST_F(PoolLifeTest, AForkHasNoPartInIt) {
    Pool pool(pool_options(1));
    pool.start();
    EXPECT_TRUE(in_a_fork([&] {
        const auto refused = [&](const std::function<void()>& use) {
            try {
                use();
            } catch (const InputError& error) {
                return std::string(error.what()).find("this pool belongs to process") != std::string::npos;
            }
            return false;
        };
        return refused([&] { pool.fetch_response("pid"); }) && refused([&] { pool.stats(); }) &&
               refused([&] { pool.submit("double", {number(1)}); });
    }));
    EXPECT_EQ(pool.fetch_response("echo on"), "on");
}

TEST_F(PoolLifeTest, CallsOfAPoolThatHasGone) {
    std::optional<PoolCalls> calls;
    std::optional<TensorStream> stream;
    std::int64_t pid = 0;
    {
        Pool pool(pool_options(1));
        pool.start();
        calls = pool.by_key("a");
        stream = pool.stream("count 100000");
        stream->next();
        pid = pid_of(pool, 0);
    }
    EXPECT_FALSE(process_runs(pid));
    expect_throw<InputError>([&] { calls->fetch_response("pid"); });
    EXPECT_THROW(while (stream->next()){}, TRException);
}

}  // namespace
}  // namespace tr::test
