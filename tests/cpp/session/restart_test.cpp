// What a session does about a worker that died: restart(), the policy, and what each caller is told.
#include <algorithm>
#include <atomic>
#include <thread>

#include "restart_support.h"

namespace tr::test {
namespace {

class RestartTest : public RestartSupport {
  protected:
    /// Requests over which the first worker that is asked loses its life, and its directory.
    const std::string die_ = "die_once " + workspace_.path() + "/died";
    const std::string lose_ = "lose_directory " + workspace_.path() + "/lost";
};

// ---------------------------------------------------------------------------------------------------------- restart()

TEST_P(RestartTest, RestartReplacesALivingWorker) {
    PythonSession session(restarting());
    session.restart();  // the same as start() and wait_until_ready()
    const auto first = session.stats();
    session.restart();
    EXPECT_TRUE(session.is_ready());
    EXPECT_NE(session.stats().worker_pid, first.worker_pid);
    EXPECT_EQ(session.stats().epoch, first.epoch + 1);
    EXPECT_FALSE(process_runs(first.worker_pid));
    EXPECT_EQ(session.fetch_response("state"), "rebuilt");
}

TEST_P(RestartTest, RestartEndsTheRequestOfAnotherThread) {
    PythonSession session(restarting());
    session.restart();
    const Gate gate(workspace_.path() + "/gate");
    std::thread caller([&] {
        // The server is told to stop, and can still say so.
        const auto error = expect_throw<RetryError>([&] { session.fetch_response(gate.command(), 0); });
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    });
    EXPECT_TRUE(eventually([&] { return session.stats().progress == "a third done"; }));
    session.restart();
    caller.join();
    EXPECT_EQ(session.fetch_response("echo again"), "again");
}

TEST_P(RestartTest, ARequestGivenUpAndThenEndedIsKeptOnce) {
    auto keeping = restarting();
    keeping.keep_on_failure = true;
    PythonSession session(keeping);
    session.restart();
    const Gate gate(workspace_.path() + "/gate");
    EXPECT_THROW(session.fetch_response(gate.command(), 100), TimeoutError);
    const std::string kept = session.stats().kept;
    EXPECT_GT(session.stats().busy_ms, 0);
    session.terminate();
    EXPECT_EQ(session.stats().busy_ms, 0);
    session.restart();
    EXPECT_EQ(session.fetch_response("echo x"), "x");
    EXPECT_EQ(session.stats().kept, kept);
}

TEST_P(RestartTest, RestartsOfSeveralThreadsLeaveOneWorker) {
    PythonSession session(restarting());
    session.restart();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            session.restart();
            EXPECT_EQ(session.fetch_response("echo up"), "up");
        });
    for (auto& thread : threads) thread.join();
    EXPECT_TRUE(session.is_ready());
}

TEST_P(RestartTest, WhoSentTheLostRequestIsToldEvenAfterwards) {
    PythonSession session(restarting());
    session.restart();
    session.send_request("kill");
    session.join();
    session.restart();
    const auto error = expect_throw<RestartError>([&] { session.wait_for_response(); });
    EXPECT_TRUE(contains(error.what(), "was killed by signal 9"));
    EXPECT_FALSE(error.may_retry());
    EXPECT_THROW(session.wait_for_response(), InputError);  // told once
    EXPECT_EQ(session.fetch_response("echo x"), "x");
}

TEST_P(RestartTest, AnAnswerThatCameBeforeTheDeathStaysToBeRead) {
    PythonSession session(restarting());
    session.restart();
    session.send_request("answer_and_die last words");
    session.join();
    session.restart();
    EXPECT_EQ(session.wait_for_response(), "last words");
}

TEST_P(RestartTest, AStaleAnswerOfTheOldWorkerIsDropped) {
    PythonSession session(restarting());
    session.restart();
    session.send_request("echo old");
    const Gate gate(workspace_.path() + "/gate");
    EXPECT_EQ(session.wait_for_response(), "old");
    session.restart();
    session.send_request(gate.command());
    // As a child that the old worker left behind might still write it.
    const std::string path = session.session_dir() + "/response.json";
    std::ofstream(path + ".new") << R"({"id": 1, "command": "echo", "result": "stale", "tensors": []})";
    fs::rename(path + ".new", path);
    gate.release("fresh");
    EXPECT_EQ(session.wait_for_response(), "fresh");
}

TEST_P(RestartTest, AFailedRestartLeavesTheSessionAndItsTensors) {
    auto broken = restarting();
    broken.script = workspace_.path() + "/server.py";
    fs::copy_file(server("recovery_server"), broken.script);
    PythonSession session(broken);
    session.restart();
    session.send_tensor(Tensor::full(Shape(3), 2.0), "kept");
    std::ofstream(broken.script) << "raise SystemExit(3)";
    const auto error = expect_throw<RestartError>([&] { session.restart(); });
    EXPECT_TRUE(contains(error.what(), "exited with code 3 before it was ready"));
    fs::copy_file(server("recovery_server"), broken.script, fs::copy_options::overwrite_existing);
    session.restart();
    EXPECT_TRUE(fs::exists(session.session_dir() + "/kept.tsr"));
    EXPECT_EQ(session.fetch_response("echo x"), "x");
}

// ---------------------------------------------------------------------------------------------- who may send it again

TEST_P(RestartTest, ARequestThatWasNotRunMayBeRetried) {
    PythonSession session(restarting());
    session.restart();
    kill_worker(session);
    const auto error = expect_throw<RestartError>([&] { session.fetch_response("echo x"); });
    EXPECT_TRUE(error.may_retry());
    EXPECT_TRUE(contains(error.what(), "the new request was not sent: it may be sent again"));
    EXPECT_THROW(session.fetch_response("echo x"), RestartError);
    EXPECT_EQ(session.stats().epoch, 1U);  // without a policy nothing is started
}

TEST_P(RestartTest, ARequestThatWasAtWorkMayOnlyBeRetriedWhenIdempotent) {
    for (const std::string& request : {die_, lose_}) {
        const auto space = request.find(' ');
        const std::string command = request.substr(0, space);
        PythonSession declared(restarting(0, {command}));
        declared.restart();
        const auto repeatable = expect_throw<RestartError>([&] { declared.fetch_response(request); });
        EXPECT_TRUE(repeatable.may_retry()) << repeatable.what();
        EXPECT_TRUE(contains(repeatable.what(), "'" + command + "' is declared idempotent"));
        declared.terminate();
        fs::remove(request.substr(space + 1));
        auto other = restarting();
        other.session_id = "other";
        PythonSession undeclared(other);
        undeclared.restart();
        const auto once = expect_throw<RestartError>([&] { undeclared.fetch_response(request); });
        EXPECT_FALSE(once.may_retry());
        EXPECT_TRUE(contains(once.what(), "whether the request had an effect cannot be told"));
    }
}

// ---------------------------------------------------------------------------------------------------------- the policy

TEST_P(RestartTest, ThePolicyFindsAWorkerForARequestThatWasNotSent) {
    PythonSession session(restarting(1));
    session.restart();
    kill_worker(session);
    EXPECT_EQ(session.fetch_response("state"), "rebuilt");  // on_start ran in the new one as well
    kill_worker(session);
    session.send_request("echo by hand");
    EXPECT_EQ(session.wait_for_response(), "by hand");
    EXPECT_EQ(session.stats().epoch, 3U);
}

TEST_P(RestartTest, ThePolicyRepeatsAnIdempotentRequest) {
    PythonSession session(restarting(2, {"die_once", "lose_directory"}));
    session.restart();
    EXPECT_EQ(session.fetch_response(die_), "rebuilt");
    EXPECT_EQ(session.fetch_response(lose_), "ok");
    EXPECT_EQ(session.stats().epoch, 3U);
    EXPECT_TRUE(session.stats().quarantined.empty());
}

TEST_P(RestartTest, ThePolicyDoesNotRepeatAnyOther) {
    PythonSession session(restarting(2));
    session.restart();
    std::uint64_t epoch = 1;
    for (const std::string& request : {die_, lose_}) {
        EXPECT_FALSE(expect_throw<RestartError>([&] { session.fetch_response(request); }).may_retry());
        EXPECT_EQ(session.stats().epoch, epoch);  // told at once: the next call starts the worker
        EXPECT_EQ(session.calculate("sum", Tensor::ones(Shape(7))).data<float>()[0], 7);
        EXPECT_EQ(session.stats().epoch, ++epoch);
    }
}

TEST_P(RestartTest, NothingIsStartedInPlaceOfAWorkerEndedOnPurpose) {
    PythonSession session(restarting(2, {"*"}));
    session.restart();
    session.terminate();
    EXPECT_THROW(session.fetch_response("echo x"), RestartError);
    remove_directory(session);
    EXPECT_THROW(session.fetch_response("echo x"), RestartError);
    EXPECT_EQ(session.stats().epoch, 1U);
    session.restart();
    kill_worker(session);
    EXPECT_EQ(session.fetch_response("echo x"), "x");
}

TEST_P(RestartTest, AttemptsAreLimitedAndTheKillerIsQuarantined) {
    PythonSession session(restarting(5, {"*"}));
    session.restart();
    // Dies, is repeated, dies, is repeated, dies: three deaths, and no attempt more.
    const auto error = expect_throw<RestartError>([&] { session.fetch_response("kill one"); });
    EXPECT_TRUE(contains(error.what(), "it was at work when 3 workers died, and is refused from now on"));
    EXPECT_FALSE(error.may_retry());
    EXPECT_EQ(session.stats().epoch, 3U);
    EXPECT_EQ(session.stats().quarantined, std::vector<std::string>{"kill one"});

    EXPECT_EQ(session.fetch_response("echo others pass"), "others pass");
    const auto epoch = session.stats().epoch;
    const auto refused = expect_throw<InputError>([&] { session.fetch_response("kill one"); });
    EXPECT_EQ(refused.code(), ErrorCode::permission_denied);
    EXPECT_TRUE(contains(refused.what(), "clear_quarantine()"));
    EXPECT_EQ(session.stats().epoch, epoch);  // no other worker died of it

    session.clear_quarantine();
    EXPECT_TRUE(session.stats().quarantined.empty());
    EXPECT_THROW(session.fetch_response("kill one"), RestartError);
}

TEST_P(RestartTest, AnAnswerClearsTheCountOfARequest) {
    auto twice = restarting(1, {"*"});
    twice.restart.quarantine_after = 2;
    PythonSession session(twice);
    session.restart();
    for (int i = 0; i < 3; ++i) {
        fs::remove(workspace_.path() + "/died");
        EXPECT_EQ(session.fetch_response(die_), "rebuilt");
    }
}

TEST_P(RestartTest, AScriptThatNoLongerStartsUsesUpTheAttempts) {
    auto broken = restarting(3, {"*"});
    broken.script = workspace_.path() + "/server.py";
    fs::copy_file(server("recovery_server"), broken.script);
    PythonSession session(broken);
    session.restart();
    std::ofstream(broken.script) << "raise SystemExit(3)";
    kill_worker(session);
    const auto error = expect_throw<RestartError>([&] { session.fetch_response("echo x"); });
    EXPECT_TRUE(contains(error.what(), "exited with code 3 before it was ready"));
    EXPECT_TRUE(error.may_retry());
    EXPECT_EQ(session.stats().epoch, 4U);
    fs::copy_file(server("recovery_server"), broken.script, fs::copy_options::overwrite_existing);
    EXPECT_EQ(session.fetch_response("echo x"), "x");
}

TEST_P(RestartTest, TensorsAreSentAgainAndHeldOnesStayValid) {
    auto with_numpy = restarting(2, {"sum"});
    with_numpy.python = TR_TEST_PYTHON;
    PythonSession session(with_numpy);
    session.restart();
    const Tensor x = Tensor::full(Shape(300, 100), 2.0F);
    const Tensor held = session.calculate("sum", x);
    Tensor shared = session.empty(Shape(300, 100), DType::FP32, "a");
    std::fill_n(shared.data<float>(), shared.numel(), 3.0F);
    for (const Tensor& input : {x, shared}) {
        kill_worker(session);
        const float first = input.data<float>()[0];
        EXPECT_EQ(session.calculate("sum", input).data<float>()[0], 30'000 * first);
        // At work on it, with the tensors in its hands; it overwrites what is not the host's own memory.
        std::ofstream(session.session_dir() + "/die") << (input.data<float>() == x.data<float>() ? "overwrite" : "");
        EXPECT_EQ(session.calculate("sum", input).data<float>()[0], 30'000 * first);
        EXPECT_EQ(input.data<float>()[29'999], first);
    }
    EXPECT_EQ(session.stats().epoch, 5U);
    EXPECT_EQ(held.data<float>()[0], 60'000);
}

TEST_P(RestartTest, ManyThreadsLoseNoIdempotentRequest) {
    auto unlucky = restarting(10, {"*"});
    unlucky.restart.quarantine_after = 0;  // one request may be at work in all of the deaths
    PythonSession session(unlucky);
    session.restart();
    std::atomic<int> answered{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            for (int j = 0; j < 10; ++j) {
                const std::string text = std::to_string(i) + "-" + std::to_string(j);
                if (session.fetch_response("echo " + text) == text) ++answered;
            }
        });
    for (int kill = 0; kill < 5; ++kill) {
        const auto pid = session.stats().worker_pid;
        ::kill(static_cast<pid_t>(pid), SIGKILL);
        eventually([&] { return session.stats().worker_pid != pid || answered == 40; });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(answered, 40);
}

INSTANTIATE_TEST_SUITE_P(Tiers, RestartTest, testing::Values(WakeUp::futex, WakeUp::inotify), tier_name);

}  // namespace
}  // namespace tr::test
