// Workers that die: what becomes of their calls, and that others take their places.
#include <atomic>

#include "support.h"

namespace tr::test {
namespace {

class PoolDeathTest : public PoolTest {};

TEST_F(PoolDeathTest, AnIdleWorkerThatDiesIsReplaced) {
    Pool pool(pool_options());
    pool.start();
    const auto before = pids(pool);
    kill_worker(*before.begin());
    EXPECT_TRUE(eventually([&] { return pool.stats().restarts == 1 && all_serve(pool); }));
    EXPECT_EQ(pids(pool).count(*before.begin()), 0U);
    EXPECT_EQ(pids(pool).count(*before.rbegin()), 1U);
    EXPECT_EQ(pool.stats().failures, 0U);
}

TEST_F(PoolDeathTest, ACallThatItsWorkerHadNotTakenIsMadeOnAnother) {
    Pool pool(pool_options(4));
    pool.start();
    for (int i = 0; i < 20; ++i) {
        kill_worker(pid_of(pool, 0));  // the one that an idle pool takes
        EXPECT_EQ(pool.fetch_response("echo " + std::to_string(i)), std::to_string(i));
        EXPECT_TRUE(eventually([&] { return all_serve(pool); }));
    }
}

TEST_F(PoolDeathTest, ACallAtWorkFails) {
    Pool pool(pool_options());
    pool.start();
    const auto error = expect_throw<RestartError>([&] { pool.fetch_response("die"); });
    EXPECT_TRUE(contains(error.what(), "was killed by signal 9"));
    EXPECT_TRUE(contains(error.what(), "; the pool starts another worker in its place; "));
    EXPECT_FALSE(contains(error.what(), "restart()"));
    EXPECT_FALSE(error.may_retry());
    EXPECT_EQ(pool.fetch_response("echo on"), "on");
    EXPECT_TRUE(eventually([&] { return all_serve(pool); }));
    EXPECT_EQ(pool.stats().repeated, 0U);
}

TEST_F(PoolDeathTest, ACallAtWorkIsRepeatedWhereThePoolIsTo) {
    auto options = pool_options();
    options.on_death = PoolOptions::OnDeath::repeat;
    Pool pool(options);
    pool.start();
    EXPECT_EQ(pool.fetch_response("die_once " + path("died")), "lived");
    EXPECT_EQ(pool.stats().repeated, 1U);
    expect_throw<RestartError>([&] { pool.fetch_response("die"); });
    EXPECT_EQ(pool.stats().repeated, 3U);
    EXPECT_EQ(pool.fetch_response("echo on"), "on");
}

TEST_F(PoolDeathTest, ACallThatEndsWorkerAfterWorkerIsRefused) {
    auto options = pool_options();
    options.on_death = PoolOptions::OnDeath::repeat;
    options.max_repeats = 10;
    options.session.restart.quarantine_after = 2;
    options.session.max_ongoing_requests = 4;
    options.session.environment["THREADS"] = "4";
    Pool pool(options);
    pool.start();
    // The second worker that dies of it is the last, whatever may be repeated, and no other one is asked again.
    const auto first = expect_throw<InputError>([&] { pool.fetch_response("die"); });
    EXPECT_EQ(first.code(), ErrorCode::permission_denied);
    EXPECT_TRUE(contains(first.what(), "'die' is refused: it was at work when 2 workers died"));
    EXPECT_TRUE(contains(first.what(), "clear_quarantine()"));
    EXPECT_TRUE(eventually([&] { return all_serve(pool); }));
    const auto before = pids(pool);
    expect_throw<InputError>([&] { pool.fetch_response("die"); });
    expect_throw<InputError>([&] { pool.by_key("a").fetch_response("die"); });
    EXPECT_EQ(pids(pool), before);
    EXPECT_EQ(pool.stats().quarantined, std::vector<std::string>{"die"});
    EXPECT_EQ(pool.fetch_response("die_once " + path("died")), "lived");  // answered in the end, so it is no such call
    EXPECT_EQ(pool.stats().quarantined, std::vector<std::string>{"die"});
    pool.clear_quarantine();
    EXPECT_TRUE(pool.stats().quarantined.empty());
    expect_throw<InputError>([&] { pool.fetch_response("die"); });
    EXPECT_NE(pids(pool), before);
}

/// One death is one, however many like requests were at work in it.
TEST_F(PoolDeathTest, CallsThatDieTogetherAreNotRefused) {
    auto options = pool_options(1);
    options.session.restart.quarantine_after = 2;
    options.session.max_ongoing_requests = 4;
    options.session.environment["THREADS"] = "4";
    Pool pool(options);
    pool.start();
    std::vector<std::unique_ptr<Beside>> calls;
    for (int i = 0; i < 4; ++i)
        calls.push_back(std::make_unique<Beside>(
            [&] { expect_throw<RestartError>([&] { pool.fetch_response("gather " + path("all")); }); }));
    EXPECT_TRUE(eventually([&] { return fs::exists(path("all")) && fs::file_size(path("all")) == 4; }));
    kill_worker(pid_of(pool, 0));
    calls.clear();
    EXPECT_TRUE(pool.stats().quarantined.empty());
    EXPECT_EQ(pool.fetch_response("echo on"), "on");
}

TEST_F(PoolDeathTest, ACommandThatMayBeRunTwiceIsRepeated) {
    auto options = pool_options();
    options.session.restart.idempotent = {"die_once"};
    Pool pool(options);
    pool.start();
    EXPECT_EQ(pool.fetch_response("die_once " + path("died")), "lived");
    expect_throw<RestartError>([&] { pool.fetch_response("die"); });
    EXPECT_EQ(pool.stats().repeated, 1U);
}

TEST_F(PoolDeathTest, AWorkerThatIsToldToLeaveIsReplaced) {
    auto options = pool_options(1);
    options.on_death = PoolOptions::OnDeath::repeat;
    Pool pool(options);
    pool.start();
    const Gate gate(path("gate"));
    std::string text;
    Beside call([&] { text = pool.fetch_response(gate.command()); });
    const int held = gate.reached();
    const auto before = pid_of(pool, 0);
    ::kill(static_cast<pid_t>(before), SIGTERM);
    EXPECT_TRUE(eventually([&] { return pid_of(pool, 0) != before && all_serve(pool); }));
    gate.release("the second");
    ::close(held);
    call.join();
    EXPECT_EQ(text, "the second");
}

TEST_F(PoolDeathTest, AWorkerThatCannotBeStartedLeavesThePool) {
    auto options = pool_options();
    options.session.environment["BROKEN"] = path("broken");
    options.session.restart.attempts = 2;
    Pool pool(options);
    pool.start();
    std::ofstream(path("broken")) << "x";
    kill_worker(pid_of(pool, 0));
    EXPECT_TRUE(eventually([&] { return pool.stats().workers[0].state == "failed"; }));
    EXPECT_TRUE(contains(pool.stats().workers[0].error, "it cannot start"));
    EXPECT_EQ(pool.size(), 1);
    EXPECT_EQ(pool.fetch_response("echo on"), "on");
    // A call that waits for the other one is told as well.
    const Gate gate(path("gate"));
    Beside call([&] { expect_throw<RestartError>([&] { pool.fetch_response(gate.command()); }); });
    const int held = gate.reached();
    auto waits = pool.submit("double", {number(1)});
    kill_worker(pid_of(pool, 1));
    const auto told = expect_throw<RestartError>([&] { waits.get(); });
    EXPECT_TRUE(contains(told.what(), "the pool has no worker left, as none could be started any more"));
    EXPECT_TRUE(contains(told.what(), "it cannot start"));
    EXPECT_TRUE(told.may_retry());
    call.join();
    ::close(held);
    expect_throw<RestartError>([&] { pool.fetch_response("echo x"); });
    fs::remove(path("broken"));
    pool.start();
    EXPECT_TRUE(all_serve(pool));
    EXPECT_EQ(pool.fetch_response("echo again"), "again");
}

/// Every call carries a number of its own.
class Load {
  public:
    Load(const Pool& pool, int threads, int calls) {
        for (int i = 0; i < threads; ++i)
            threads_.emplace_back([this, &pool, i, calls] {
                for (int k = 0; k < calls; ++k) call(pool, i * calls + k);
            });
    }
    ~Load() { join(); }
    void join() {
        for (auto& thread : threads_)
            if (thread.joinable()) thread.join();
    }
    int done() const { return good + failed + wrong; }

    std::atomic<int> good{0};
    std::atomic<int> failed{0};
    std::atomic<int> wrong{0};

  private:
    void call(const Pool& pool, int number) {
        try {
            if (number % 3 == 0) {
                const std::string text = std::to_string(number);
                ++(pool.fetch_response("echo " + text) == text ? good : wrong);
            } else if (number % 3 == 1) {
                const Tensor x = Tensor::full(Shape(2'000), number);
                const Tensor y = pool.calculate("double", x);
                ++(y.numel() == 2'000 && y.data<float>()[1'999] == 2.0F * static_cast<float>(number) ? good : wrong);
            } else {
                auto future = pool.submit("double", {Tensor::full(Shape(2), number)});
                ++(future.get().data<float>()[1] == 2.0F * static_cast<float>(number) ? good : wrong);
            }
        } catch (const RestartError&) {
            ++failed;
        }
    }

    std::vector<std::thread> threads_;
};

TEST_F(PoolDeathTest, NobodyNoticesKillsUnderLoad) {
    auto options = pool_options(3);
    options.on_death = PoolOptions::OnDeath::repeat;
    options.max_repeats = 1'000;
    Pool pool(options);
    pool.start();
    Load load(pool, 6, 150);
    for (int i = 0; i < 12; ++i) {
        kill_worker(pid_of(pool, static_cast<std::size_t>(i % 3)));
        EXPECT_TRUE(eventually([&] { return load.done() >= (i + 1) * 60; }));
    }
    load.join();
    EXPECT_EQ(load.good, 900);
    EXPECT_EQ(load.wrong, 0);
    EXPECT_EQ(load.failed, 0);
    EXPECT_TRUE(eventually([&] { return all_serve(pool); }));
    EXPECT_EQ(pool.stats().in_flight, 0);
}

TEST_F(PoolDeathTest, EveryCallUnderKillsIsAnsweredOrFailsWithAReason) {
    auto options = pool_options(2);
    options.session.max_ongoing_requests = 2;
    options.session.environment["THREADS"] = "2";
    Pool pool(options);
    pool.start();
    Load load(pool, 6, 100);
    for (int i = 0; i < 8; ++i) {
        kill_worker(pid_of(pool, static_cast<std::size_t>(i % 2)));
        EXPECT_TRUE(eventually([&] { return load.done() >= (i + 1) * 60; }));
    }
    load.join();
    EXPECT_EQ(load.good + load.failed, 600);
    EXPECT_EQ(load.wrong, 0);
    EXPECT_LE(load.failed, 8 * 2);
}

TEST_F(PoolDeathTest, AStreamWhoseWorkerDiesTellsIt) {
    Pool pool(pool_options(1));
    pool.start();
    TensorStream stream = pool.stream("count 100000");
    EXPECT_TRUE(stream.next());
    kill_worker(pid_of(pool, 0));
    expect_throw<RestartError>([&] {
        while (stream.next()) {
        }
    });
    EXPECT_EQ(pool.fetch_response("echo on"), "on");
    EXPECT_EQ(pool.stats().in_flight, 0);
}

}  // namespace
}  // namespace tr::test
