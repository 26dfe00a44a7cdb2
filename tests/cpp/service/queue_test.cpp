// Calls that wait for a worker: how many, in which order, for how long.
#include "support.h"

namespace tr::test {
namespace {

class PoolQueueTest : public PoolTest {};

TEST_F(PoolQueueTest, CallsGoToTheWorkerThatIsLeastBusy) {
    Pool pool(pool_options());
    pool.start();
    const Gate gate(path("gate"));
    std::string text;
    Beside busy([&] { text = pool.fetch_response(gate.command()); });
    const int held = gate.reached();
    const std::string other = pool.fetch_response("pid");
    for (int i = 0; i < 5; ++i) EXPECT_EQ(pool.fetch_response("pid"), other);
    EXPECT_EQ(pool.stats().in_flight, 1);
    ::close(held);
    busy.join();
    EXPECT_EQ(pids(pool).size(), 2U);
    EXPECT_EQ(pool.stats().calls, 7U);
    EXPECT_EQ(pool.stats().failures, 0U);
}

TEST_F(PoolQueueTest, RoundRobinTakesOneAfterTheOther) {
    auto options = pool_options(3);
    options.balance = PoolOptions::Balance::round_robin;
    Pool pool(options);
    pool.start();
    std::vector<std::string> seen;
    for (int i = 0; i < 6; ++i) seen.push_back(pool.fetch_response("pid"));
    EXPECT_EQ(std::set<std::string>(seen.begin(), seen.begin() + 3).size(), 3U);
    EXPECT_EQ(std::vector<std::string>(seen.begin() + 3, seen.end()),
              std::vector<std::string>(seen.begin(), seen.begin() + 3));
}

TEST_F(PoolQueueTest, AKeyHasItsWorker) {
    Pool pool(pool_options(3));
    pool.start();
    std::map<std::string, std::string> workers;
    std::set<std::string> seen;
    for (int i = 0; i < 24; ++i) {
        const std::string key = "user-" + std::to_string(i % 12);
        const std::string pid = pool.by_key(key).fetch_response("pid");
        seen.insert(pid);
        EXPECT_EQ(workers.emplace(key, pid).first->second, pid);
    }
    EXPECT_EQ(seen.size(), 3U);
    // The worker of one is at work, so that key's calls wait for it, and others do not.
    const Gate gate(path("gate"));
    Beside busy([&] { pool.by_key("user-0").fetch_response(gate.command()); });
    const int held = gate.reached();
    const auto late = expect_throw<TimeoutError>([&] { pool.by_key("user-0").fetch_response("pid", 30); });
    EXPECT_TRUE(contains(late.what(), "while 'pid' waited for its worker of the pool"));
    EXPECT_NE(pool.fetch_response("pid"), workers["user-0"]);
    ::close(held);
    busy.join();
    kill_worker(std::stoll(workers["user-0"]));
    EXPECT_NE(pool.by_key("user-0").fetch_response("pid"), workers["user-0"]);
}

TEST_F(PoolQueueTest, AFullQueueRefuses) {
    auto options = pool_options(1);
    options.max_queue_size = 1;
    options.when_full = PoolOptions::WhenFull::refuse;
    Pool pool(options);
    pool.start();
    pool.fetch_response("pid");
    const Gate gate(path("gate"));
    Beside busy([&] { pool.fetch_response(gate.command()); });
    const int held = gate.reached();
    auto waits = pool.submit("double", {number(2)});
    const auto full = expect_throw<OverloadedError>([&] { pool.calculate("double", number(3)); });
    EXPECT_EQ(full.code(), ErrorCode::overloaded);
    EXPECT_GE(full.retry_after_ms(), 1);
    EXPECT_TRUE(contains(full.what(),
                         "'double' was not called: all workers of the pool are at work, and 1 call wait for one, which "
                         "is PoolOptions::max_queue_size"));
    expect_throw<OverloadedError>([&] { pool.submit("double", {number(3)}); });
    EXPECT_EQ(pool.stats().refused, 2U);
    EXPECT_EQ(pool.stats().longest_queue, 1);
    ::close(held);
    EXPECT_EQ(first_of(waits.get()), 4);
    EXPECT_EQ(first_of(pool.calculate("double", number(3))), 6);
}

TEST_F(PoolQueueTest, AFullQueueIsWaitedFor) {
    auto options = pool_options(1);
    options.max_queue_size = 1;
    Pool pool(options);
    pool.start();
    const Gate gate(path("gate"));
    Beside busy([&] { pool.fetch_response(gate.command()); });
    const int held = gate.reached();
    auto in_queue = pool.submit("double", {number(1)});
    std::vector<double> results(2);
    Beside submits([&] { results[0] = first_of(pool.submit("double", {number(2)}).get()); });
    Beside calls([&] { results[1] = first_of(pool.calculate("double", number(3))); });
    EXPECT_TRUE(eventually([&] { return pool.stats().waiting_for_place == 2; }));
    EXPECT_EQ(pool.stats().queued, 1);
    const auto late = expect_throw<TimeoutError>([&] { pool.submit("double", {number(2)}, 20); });
    EXPECT_TRUE(contains(late.what(), "the call was not made"));
    ::close(held);
    submits.join();
    calls.join();
    EXPECT_EQ(first_of(in_queue.get()), 2);
    EXPECT_EQ(results, (std::vector<double>{4, 6}));
    EXPECT_EQ(pool.stats().longest_queue, 1);
}

TEST_F(PoolQueueTest, ACallThatWaitsForItsPlaceByItself) {
    auto options = pool_options(1);
    options.max_queue_size = 1;
    Pool pool(options);
    pool.start();
    const Gate gate(path("gate"));
    Beside busy([&] { pool.fetch_response(gate.command()); });
    const int held = gate.reached();
    std::vector<CallFuture> calls;
    for (int i = 0; i < 5; ++i) calls.push_back(pool.submit_now("double", {{"", number(i)}}));
    auto late = pool.submit_now("double", {{"", number(1)}}, 20);
    EXPECT_EQ(pool.stats().waiting_for_place, 5);
    calls[2].cancel();
    EXPECT_EQ(expect_throw<RetryError>([&] { calls[2].get(); }).code(), ErrorCode::cancelled);
    expect_throw<TimeoutError>([&] { late.get(); });
    EXPECT_EQ(pool.stats().waiting_for_place, 3);
    ::close(held);
    for (const int i : {0, 1, 3, 4}) EXPECT_EQ(first_of(calls[static_cast<std::size_t>(i)].get()), 2 * i);
}

TEST_F(PoolQueueTest, HigherPrioritiesComeFirst) {
    Pool pool(pool_options(1));
    pool.start();
    const Gate gate(path("gate"));
    Beside busy([&] { pool.fetch_response(gate.command()); });
    const int held = gate.reached();
    const std::string note = "note " + path("notes") + " ";
    std::vector<CallFuture> calls;
    calls.push_back(pool.submit(note + "first", {number(1)}));
    calls.push_back(pool.with_priority(-1).submit(note + "low", {number(1)}));
    calls.push_back(pool.submit(note + "second", {number(1)}));
    calls.push_back(pool.with_priority(7).submit(note + "high", {number(1)}));
    Beside own([&] { pool.with_priority(9).calculate(note + "highest", number(1)); });
    EXPECT_TRUE(eventually([&] { return pool.stats().queued == 5; }));
    ::close(held);
    for (auto& call : calls) call.get();
    own.join();
    EXPECT_EQ(read_text(path("notes")), "highest high first second low ");
}

TEST_F(PoolQueueTest, LimitsCountTheWait) {
    Pool pool(pool_options(1));
    pool.start();
    const Gate gate(path("gate"));
    Beside busy([&] { pool.fetch_response(gate.command()); });
    const int held = gate.reached();
    const std::string note = "note " + path("notes") + " late";
    const auto late = expect_throw<TimeoutError>([&] { pool.calculate(note, number(1), 20); });
    EXPECT_TRUE(contains(late.what(),
                         "the time limit passed while 'note' waited for a worker of the pool: 1 of 1 "
                         "worker serves, and is at work, and 0 other calls wait; the call was not made"));
    auto submitted = pool.submit(note, {number(1)}, 20);
    expect_throw<TimeoutError>([&] { submitted.get(); });
    EXPECT_EQ(pool.stats().queued, 0);
    ::close(held);
    busy.join();
    pool.fetch_response("pid");
    EXPECT_FALSE(fs::exists(path("notes")));
}

TEST_F(PoolQueueTest, ACancelFreesThePlace) {
    Pool pool(pool_options(1));
    pool.start();
    const auto at_work = pool.submit("until_cancelled " + path("begun"), {number(1)});
    EXPECT_TRUE(eventually([&] { return fs::exists(path("begun")); }));
    auto queued = pool.submit("note " + path("notes") + " never", {number(1)});
    EXPECT_EQ(pool.stats().queued, 1);
    queued.cancel();
    EXPECT_EQ(expect_throw<RetryError>([&] { queued.get(); }).code(), ErrorCode::cancelled);
    EXPECT_EQ(pool.stats().queued, 0);
    at_work.cancel();
    EXPECT_EQ(first_of(pool.calculate("double", number(4))), 8);
    EXPECT_TRUE(fs::exists(path("begun.noticed")));
    EXPECT_FALSE(fs::exists(path("notes")));
}

TEST_F(PoolQueueTest, AWorkerThatIsStuckInACallThatWasGivenUpComesLast) {
    for (const auto balance : {PoolOptions::Balance::least_busy, PoolOptions::Balance::round_robin}) {
        auto options = pool_options(2);
        options.balance = balance;
        Pool pool(options);
        pool.start();
        const Gate gate(path("gate-" + std::to_string(static_cast<int>(balance))));
        expect_throw<TimeoutError>([&] { pool.fetch_response(gate.command(), 50); });
        for (int i = 0; i < 4; ++i) EXPECT_EQ(pool.fetch_response("echo x", 5'000), "x");
        gate.release();
        Beside other([&] { pool.fetch_response("echo y"); });
        EXPECT_EQ(pool.fetch_response("echo x"), "x");
    }
}

TEST_F(PoolQueueTest, AStreamHasAPlaceUntilItsEnd) {
    Pool pool(pool_options(1));
    pool.start();
    std::vector<double> seen;
    {
        TensorStream stream = pool.stream("count 3");
        expect_throw<TimeoutError>([&] { pool.fetch_response("pid", 20); });
        while (const auto part = stream.next()) seen.push_back(part->data<double>()[0]);
        EXPECT_EQ(pool.fetch_response("echo x"), "x");
    }
    EXPECT_EQ(seen, (std::vector<double>{0, 1, 2}));
    {
        TensorStream dropped = pool.stream("count 1000");
        dropped.next();
    }
    EXPECT_EQ(pool.fetch_response("echo y"), "y");
    EXPECT_EQ(pool.stats().in_flight, 0);
}

TEST_F(PoolQueueTest, SeveralAtATimeInOneWorker) {
    auto options = pool_options(2);
    options.session.max_ongoing_requests = 3;
    options.session.environment["THREADS"] = "3";
    Pool pool(options);
    pool.start();
    const Gate gate(path("gate"));
    std::vector<CallFuture> calls;
    for (int i = 0; i < 6; ++i) calls.push_back(pool.submit("gated " + gate.path(), {}));
    EXPECT_TRUE(eventually([&] { return pool.stats().in_flight == 6; }));
    for (const auto& worker : pool.stats().workers) EXPECT_EQ(worker.in_flight, 3);
    expect_throw<TimeoutError>([&] { pool.fetch_response("pid", 20); });
    for (auto& call : calls)
        while (!call.is_ready()) {
            const int fd = ::open(gate.path().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
            if (fd >= 0) ::close(fd);
        }
    for (auto& call : calls) EXPECT_EQ(call.get().numel(), 1);
}

}  // namespace
}  // namespace tr::test
