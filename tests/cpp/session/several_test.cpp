// Several requests in flight in one worker, several programs at one worker, calls beside the caller.
#include <algorithm>
#include <atomic>
#include <thread>

#include "channel/exchange.h"
#include "platform/interrupt.h"
#include "support.h"

namespace tr::test {
namespace {

class SeveralTest : public SessionTest, public testing::WithParamInterface<WakeUp> {
  protected:
    void SetUp() override { TR_SKIP_UNLESS_AVAILABLE(GetParam()); }
    SessionOptions several(const std::string& kind, int most = 4) {
        SessionOptions made = options("several_server");
        made.python = TR_TEST_PYTHON;
        made.environment["KIND"] = kind;
        made.max_ongoing_requests = most;
        made.wake_up = GetParam();
        return made;
    }
    static std::vector<std::string> channels_of(const PythonSession& session) {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(session.session_dir() + "/channels"))
            names.push_back(entry.path().filename().string());
        return names;
    }
};

/// Another program with a client of that session. A fork of the tests will not do, as sanitizers want no threads in it.
pid_t start_client(const std::string& workspace, const char* test) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    const std::string filter = std::string("--gtest_filter=") + test;
    ::setenv("TR_TEST_CLIENT_OF", workspace.c_str(), 1);
    ::execl("/proc/self/exe", "client", filter.c_str(), "--gtest_also_run_disabled_tests", nullptr);
    ::_exit(127);
}

SessionOptions client_options() {
    SessionOptions options;
    options.workspace = ::getenv("TR_TEST_CLIENT_OF");
    options.quiet = true;
    return options;
}

TEST(ClientProgram, DISABLED_Converses) {
    PythonSession client = PythonSession::connect("test", client_options());
    const Tensor x = Tensor::full(Shape(30'000), 3.0);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(client.calculate("double", x).data<float>()[5], 6.0);
    EXPECT_EQ(client.fetch_response("echo here"), "here");
    EXPECT_NE(client.session_dir(), PythonSession::list(client_options().workspace).at(0).directory);
}

TEST(ClientProgram, DISABLED_Stays) {
    PythonSession client = PythonSession::connect("test", client_options());
    client.fetch_response("echo x");
    std::ofstream(client_options().workspace + "/connected") << "x";
    ::pause();
}

INSTANTIATE_TEST_SUITE_P(Tiers, SeveralTest, testing::Values(WakeUp::futex, WakeUp::inotify, WakeUp::polling),
                         tier_name);

TEST_P(SeveralTest, CallsOfThreadsMeetInTheWorker) {
    for (const char* kind : {"threads", "async"}) {
        PythonSession session(several(kind));
        session.start();
        std::vector<std::thread> threads;
        std::atomic<int> good{0};
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&, i] {
                const std::string word = std::to_string(i);
                if (session.fetch_response("meet " + word) == word) ++good;  // which takes four at the same time
                const Tensor x = Tensor::full(Shape(30'000), i);
                for (int k = 0; k < 5; ++k)
                    if (session.calculate("double", x).data<float>()[29'999] == 2.0F * static_cast<float>(i)) ++good;
            });
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(good, 4 * 6) << kind;
        EXPECT_EQ(session.stats().channels, 4);
    }
}

TEST_P(SeveralTest, AQuickCallDoesNotWaitForASlowOne) {
    PythonSession session(several("threads", 2));
    session.start();
    const Gate gate(workspace_.path() + "/gate");
    session.send_request(gate.command());
    std::string quick;
    std::thread other([&] { quick = session.fetch_response("echo quick"); });
    other.join();
    EXPECT_EQ(quick, "quick");
    gate.release("slow");
    EXPECT_EQ(session.wait_for_response(), "slow");
}

TEST_P(SeveralTest, AStreamThatNobodyReadsHoldsUpNoCallWhileTheWorkerStarts) {
    const Gate gate(workspace_.path() + "/gate");
    auto slow = several("threads", 2);
    slow.environment["START_GATE"] = gate.path();
    PythonSession session(slow);
    session.start();
    TensorStream stream = session.stream("count 2", {});
    std::string answer;
    std::thread other([&] { answer = session.fetch_response("echo beside"); });
    gate.release();
    other.join();
    EXPECT_EQ(answer, "beside");
    EXPECT_EQ(stream.next()->data<std::int64_t>()[0], 0);
}

TEST_P(SeveralTest, AChannelThatWasRefusedIsAskedForAgain) {
    PythonSession session(several("threads", 2));
    session.start();
    session.fetch_response("refuse_the_next_channel");
    const Gate gate(workspace_.path() + "/gate");
    session.send_request(gate.command());
    std::string answer;
    std::thread other([&] {
        const auto error = expect_throw<RetryError>([&] { session.fetch_response("echo refused"); });
        EXPECT_TRUE(contains(error.what(), "cannot serve one more channel: it was asked to refuse one"));
        answer = session.fetch_response("echo again");
    });
    other.join();
    EXPECT_EQ(answer, "again");
    gate.release("first");
    EXPECT_EQ(session.wait_for_response(), "first");
}

TEST_F(SessionTest, AnOlderWorkerServesOneRequestAtATime) {
    auto older = options("older_server");
    older.environment = {{"OLDER_WORKSPACE", workspace_.path()}};
    older.max_ongoing_requests = 2;
    PythonSession session(older);
    session.start();
    session.send_request("greet you");
    std::thread other([&] {
        const auto error = expect_throw<InputError>([&] { session.fetch_response("greet me"); });
        EXPECT_TRUE(contains(error.what(), "Set SessionOptions::max_ongoing_requests to 1"));
    });
    other.join();
    EXPECT_EQ(session.wait_for_response(), "greet got you");
}

TEST_P(SeveralTest, APlainServerAnswersOneAfterTheOther) {
    PythonSession session(several("plain"));
    session.start();
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            for (int k = 0; k < 20; ++k) {
                const std::string word = std::to_string(100 * i + k);
                if (session.fetch_response("echo " + word) == word) ++good;
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(good, 80);
}

TEST_P(SeveralTest, TensorsSentByHandAreFoundFromEveryChannel) {
    PythonSession session(several("threads", 2));
    session.start();
    session.send_tensor(Tensor::full(Shape(30'000), 4.0), "mine");
    const Gate gate(workspace_.path() + "/gate");
    session.send_request(gate.command());
    double found = 0;
    std::thread other([&] { found = session.fetch_tensor("double mine").data<float>()[7]; });
    other.join();
    EXPECT_EQ(found, 8.0);
    gate.release();
    session.wait_for_response();
}

TEST_P(SeveralTest, ADeathEndsAllAndAPolicyStartsOneWorkerForAll) {
    auto recovering = several("threads");
    recovering.restart.attempts = 3;
    recovering.restart.idempotent = {"echo"};
    // One that happens to be at work beside each "die" is not told from what ended the worker.
    recovering.restart.quarantine_after = 0;
    PythonSession session(recovering);
    session.start();
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    std::atomic<bool> over{false};
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&, i] {
            for (int k = 0; !over || k < 10; ++k) {
                const std::string word = std::to_string(100 * i + k);
                if (session.fetch_response("echo " + word) != word) return;
            }
            ++good;
        });
    for (int k = 0; k < 3; ++k) {
        expect_throw<RestartError>([&] { session.fetch_response("die"); });
        session.fetch_response("echo again");
    }
    over = true;
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(good, 3);
    EXPECT_LE(session.stats().epoch, 5U) << "one start for each death";
}

TEST_P(SeveralTest, ACallThatIsGivenUpTellsTheServer) {
    for (const char* kind : {"threads", "async"}) {
        PythonSession session(several(kind, 2));
        session.start();
        session.wait_until_ready();
        const std::string dir = session.session_dir();
        const std::string command = std::string(kind) == "async" ? "forever" : "until_cancelled";
        expect_throw<TimeoutError>([&] { session.fetch_response(command + " limit", 300); });
        EXPECT_TRUE(eventually([&] { return fs::exists(dir + "/limit.noticed"); })) << kind;
        auto call = session.calculate_async(command + " handle", {});
        EXPECT_TRUE(eventually([&] { return fs::exists(dir + "/handle"); })) << kind;
        call.cancel();
        const auto error = expect_throw<RetryError>([&] { call.get(); });
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
        EXPECT_TRUE(eventually([&] { return fs::exists(dir + "/handle.noticed"); })) << kind;
        EXPECT_EQ(session.fetch_response("echo on"), "on");
    }
}

TEST_P(SeveralTest, AStopFlagEndsTheCallsOfItsThread) {
    PythonSession session(several("threads", 2));
    session.start();
    session.wait_until_ready();
    const std::string mark = session.session_dir() + "/mark";
    std::atomic<bool> stop{false};
    std::thread caller([&] {
        EXPECT_EQ(detail::set_stop_flag(&stop), nullptr);
        const auto error = expect_throw<RetryError>([&] { session.fetch_response("until_cancelled mark", 0); });
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
        EXPECT_EQ(detail::set_stop_flag(nullptr), &stop);
        EXPECT_EQ(session.fetch_response("echo on"), "on");
    });
    EXPECT_TRUE(eventually([&] { return fs::exists(mark); }));
    detail::Waits::wake(session);
    EXPECT_EQ(session.fetch_response("echo beside"), "beside");
    EXPECT_FALSE(fs::exists(mark + ".noticed"));
    stop = true;
    detail::Waits::wake(session);
    caller.join();
    EXPECT_TRUE(eventually([&] { return fs::exists(mark + ".noticed"); }));
}

// ------------------------------------------------------------------------------------------------------------ clients

TEST_P(SeveralTest, AnotherProgramTakesAChannel) {
    PythonSession owner(several("threads"));
    owner.start();
    owner.wait_until_ready();
    const auto found = PythonSession::list(workspace_.path());
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].session_id, "test");
    EXPECT_EQ(found[0].worker_pid, owner.stats().worker_pid);
    EXPECT_EQ(found[0].server, "Threaded");
    EXPECT_TRUE(found[0].takes_clients);
    const pid_t client = start_client(workspace_.path(), "ClientProgram.DISABLED_Converses");
    int status = -1;
    ::waitpid(client, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(eventually([&] { return channels_of(owner).empty(); })) << "its end closes the channel";
    EXPECT_EQ(owner.fetch_response("echo still"), "still");
}

TEST_P(SeveralTest, TagsOfClientsAreTheirOwn) {
    PythonSession owner(several("threads"));
    owner.start();
    owner.wait_until_ready();
    PythonSession client = PythonSession::connect("test", options());
    owner.send_tensor(Tensor::full(Shape(4), 1.0), "x");
    client.send_tensor(Tensor::full(Shape(4), 2.0), "x");
    EXPECT_EQ(owner.fetch_tensor("double x").data<float>()[0], 2.0);
    EXPECT_EQ(client.fetch_tensor("double x").data<float>()[0], 4.0);
    owner.send_tensor(Tensor::full(Shape(4), 1.0), "only_the_owners");
    expect_throw<NotFoundError>([&] { client.fetch_tensor("double only_the_owners"); });
    client.please_exit();
    EXPECT_FALSE(client.is_alive());
    expect_throw<RestartError>([&] { client.calculate("double", Tensor::ones(Shape(4))); });
    expect_throw<RestartError>([&] { client.call("double", Tensor::ones(Shape(4))); });
    EXPECT_EQ(owner.fetch_response("echo still"), "still");
}

TEST_P(SeveralTest, WorkersComeAndGoWhileClientsCome) {
    PythonSession owner(several("threads"));
    owner.start();
    owner.wait_until_ready();
    std::atomic<bool> over{false};
    std::thread newcomers([&] {
        while (!over) {
            try {
                PythonSession newcomer = PythonSession::connect("test", options());
                EXPECT_EQ(newcomer.fetch_response("echo here"), "here");
            } catch (const RestartError&) {
            } catch (const NotFoundError&) {
            }
        }
    });
    auto chosen = options();
    chosen.restart.attempts = 100;
    chosen.restart.max_backoff_ms = 20;
    chosen.restart.quarantine_after = 0;
    chosen.restart.idempotent = {"echo"};
    PythonSession client = PythonSession::connect("test", chosen);
    std::thread steadfast([&] {
        while (!over) EXPECT_EQ(client.fetch_response("echo on"), "on");
    });
    for (int i = 0; i < 4; ++i) {
        EXPECT_NO_THROW(owner.restart());
        EXPECT_EQ(owner.fetch_response("echo back"), "back");
    }
    over = true;
    newcomers.join();
    steadfast.join();
}

TEST_P(SeveralTest, TheEndOfTheOwnerEndsItsClients) {
    auto owner = std::make_unique<PythonSession>(several("threads"));
    owner->start();
    owner->wait_until_ready();
    PythonSession client = PythonSession::connect("test", options());
    const Gate gate(workspace_.path() + "/gate");
    client.send_request(gate.command());
    const int closed = gate.reached();
    owner->terminate();
    const auto error = expect_throw<RestartError>([&] { client.wait_for_response(); });
    EXPECT_TRUE(contains(error.what(), "it was started by process " + std::to_string(::getpid())));
    ::close(closed);
    owner->start();
    owner->wait_until_ready();
    client.restart();
    EXPECT_EQ(client.fetch_response("echo back"), "back");
    owner.reset();
    expect_throw<RestartError>([&] { client.fetch_response("echo nobody"); });
    const auto none = expect_throw<NotFoundError>([&] { client.restart(); });
    EXPECT_TRUE(contains(none.what(), "sessions that run there: none"));
}

TEST_P(SeveralTest, AClientThatIsKilledLeavesNothing) {
    PythonSession owner(several("threads"));
    owner.start();
    owner.wait_until_ready();
    const pid_t child = start_client(workspace_.path(), "ClientProgram.DISABLED_Stays");
    ASSERT_TRUE(eventually([&] { return fs::exists(workspace_.path() + "/connected"); }));
    EXPECT_EQ(channels_of(owner).size(), 1U);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_TRUE(eventually([&] { return channels_of(owner).empty(); }));
    EXPECT_EQ(owner.fetch_response("echo still"), "still");
}

// ----------------------------------------------------------------------------------------------------- async, wait set

TEST_P(SeveralTest, AsyncCallsAreMadeInOrderAndTheirLimitCountsFromTheCall) {
    PythonSession session(several("plain", 1));
    session.start();
    const Gate gate(workspace_.path() + "/gate");
    auto first = session.calculate_async(gate.command(), {});
    const int closed = gate.reached();
    auto late = session.calculate_async("double", {Tensor::full(Shape(2), 1.0)}, 200);
    auto dropped = session.calculate_async("double", {Tensor::full(Shape(2), 1.0)});
    auto last = session.calculate_async("double", {Tensor::full(Shape(2), 1.0)});
    const auto error = expect_throw<TimeoutError>([&] { late.get(); });  // while the first is at work still
    EXPECT_TRUE(contains(error.what(), "the request was not sent"));
    EXPECT_FALSE(first.is_ready());
    dropped.cancel();
    expect_throw<RetryError>([&] { dropped.get(); });
    EXPECT_FALSE(last.is_ready());
    ::close(closed);
    expect_throw<InputError>([&] { first.get(); });  // it has no tensor
    EXPECT_EQ(last.get().data<float>()[0], 2.0);
}

TEST_P(SeveralTest, AnAsyncCallThatWaitsForItsTurnCanBeCancelled) {
    PythonSession session(several("plain", 1));
    session.start();
    TensorStream stream = session.stream("count 2", {});
    auto call = session.calculate_async("double", {Tensor::full(Shape(2), 1.0)});
    call.cancel();
    expect_throw<RetryError>([&] { call.get(); });
    EXPECT_EQ(session.stats().requests, 1U);
    while (stream.next()) continue;
}

TEST_P(SeveralTest, AWaitSetGivesTheNextOfAll) {
    PythonSession session(several("threads", 2));
    session.start();
    auto second = several("plain", 1);
    second.session_id = "second";
    PythonSession other(second);
    other.start();
    other.wait_until_ready();
    const Gate gate(workspace_.path() + "/gate");
    const Gate async_gate(workspace_.path() + "/async_gate");
    session.send_request(gate.command());
    const auto call = session.calculate_async(async_gate.command(), {});
    WaitSet next;
    EXPECT_FALSE(next.wait(10)) << "there is nothing in it";
    next.add(session, 1);
    next.add(other, 2);
    next.add(call, 3);
    EXPECT_FALSE(next.wait(50));
    async_gate.release();
    auto ready = next.wait(20'000);
    ASSERT_TRUE(ready);
    EXPECT_EQ(ready->key, 3U);
    EXPECT_EQ(ready->event, WaitSet::Event::call);
    next.remove(3);
    std::thread killer([&] { ::kill(static_cast<pid_t>(other.stats().worker_pid), SIGKILL); });
    ready = next.wait(20'000);
    killer.join();
    ASSERT_TRUE(ready);
    EXPECT_EQ(ready->key, 2U);
    EXPECT_EQ(ready->event, WaitSet::Event::death);
    next.remove(2);
    std::thread opener([&] { gate.release("through"); });
    ready = next.wait(20'000);
    opener.join();
    ASSERT_TRUE(ready);
    EXPECT_EQ(ready->event, WaitSet::Event::answer);
    EXPECT_EQ(session.read_response(), "through");
    std::thread waker([&] { next.wake(); });
    EXPECT_FALSE(next.wait(20'000));
    waker.join();
}

TEST_P(SeveralTest, TheObserverHearsWhatHappens) {
    auto observed = several("plain", 1);
    std::vector<std::string> heard;
    observed.observer = [&](const SessionEvent& event) {
        heard.push_back(to_string(event.kind) + (event.command.empty() ? "" : " " + std::string(event.command)));
        if (event.kind == SessionEvent::Kind::answered) {
            EXPECT_GT(event.duration_us, 0);
        }
        throw std::runtime_error("goes no further");
    };
    PythonSession session(observed);
    session.start();
    session.wait_until_ready();
    session.fetch_response("echo x");
    expect_throw<NotFoundError>([&] { session.fetch_response("nothing"); });
    expect_throw<RestartError>([&] { session.fetch_response("die"); });
    session.restart();
    const std::vector<std::string> expected{"started",          "ready",  "sent echo", "answered echo", "sent nothing",
                                            "answered nothing", "failed", "sent die",  "died",          "failed die",
                                            "started",          "ready",  "restarted"};
    EXPECT_EQ(heard, expected);
    EXPECT_EQ(session.stats().failures, 2U);
}

// -------------------------------------------------------------------------------------------------------------- table

TEST(ExchangeTest, EveryStateKnowsWhatMayHappen) {
    using channel::Event;
    using channel::Exchange;
    EXPECT_EQ(after(Exchange::idle, Event::published), Exchange::in_flight);
    EXPECT_EQ(after(Exchange::in_flight, Event::part_came), Exchange::streaming);
    EXPECT_EQ(after(Exchange::given_up, Event::part_came), Exchange::given_up);
    EXPECT_EQ(after(Exchange::given_up, Event::answered), Exchange::idle);
    for (const auto state : {Exchange::idle, Exchange::in_flight, Exchange::streaming, Exchange::given_up}) {
        EXPECT_EQ(after(state, Event::lost), Exchange::idle);
        if (state == Exchange::idle) continue;
        EXPECT_THROW(after(state, Event::published), std::logic_error);
    }
    EXPECT_THROW(after(Exchange::idle, Event::answered), std::logic_error);
    EXPECT_THROW(after(Exchange::idle, Event::part_came), std::logic_error);
}

}  // namespace
}  // namespace tr::test
