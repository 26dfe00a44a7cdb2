// Dead, wedged, stopped, slow: the states of a worker are told apart, and none of them but death ends it.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "support.h"

namespace tr::test {
namespace {

constexpr std::int64_t kTimeToTell = 500;  ///< ms; a limit that leaves time enough for a sign of life

class HealthTest : public SessionTest, public testing::WithParamInterface<WakeUp> {
  protected:
    SessionOptions tier_options() {
        auto result = options("recovery_server");
        result.wake_up = GetParam();
        return result;
    }
};

TEST_P(HealthTest, AnIdleWorkerIsReady) {
    TR_SKIP_UNLESS_AVAILABLE(GetParam());
    PythonSession session(tier_options());
    EXPECT_EQ(session.stats().worker_state, "none");
    session.start();
    session.wait_until_ready();
    EXPECT_EQ(session.stats().worker_state, "ready");
    EXPECT_EQ(session.stats().busy_ms, 0);
    session.terminate();
    EXPECT_EQ(session.stats().worker_state, "dead");
}

TEST_P(HealthTest, ASlowRequestLeavesTheInterpreterRunning) {
    TR_SKIP_UNLESS_AVAILABLE(GetParam());
    PythonSession session(tier_options());
    session.start();
    session.wait_until_ready();
    const Gate gate(workspace_.path() + "/gate");
    session.send_request(gate.command());
    EXPECT_TRUE(eventually([&] { return session.stats().progress == "a third done"; }));
    EXPECT_EQ(session.stats().worker_state, "busy");
    EXPECT_GT(session.stats().busy_ms, 0);
    const auto error = expect_throw<TimeoutError>([&] { session.wait_for_response(kTimeToTell); });
    EXPECT_TRUE(contains(error.what(), "its status is 'a third done'"));
    EXPECT_TRUE(contains(error.what(), "its interpreter runs, so it is merely slow"));
    gate.release("slow");
    EXPECT_EQ(session.wait_for_response(), "slow");
    EXPECT_EQ(session.stats().progress, "");
}

TEST_P(HealthTest, NativeCodeThatHoldsTheGilIsToldAndNotKilled) {
    TR_SKIP_UNLESS_AVAILABLE(GetParam());
    PythonSession session(tier_options());
    session.start();
    session.wait_until_ready();
    const Gate gate(workspace_.path() + "/gate");
    session.send_request("hold_gil " + workspace_.path() + "/gate");
    EXPECT_TRUE(eventually([&] { return session.probe().state == "wedged"; }));
    const auto error = expect_throw<TimeoutError>([&] { session.wait_for_response(kTimeToTell); });
    EXPECT_TRUE(contains(error.what(), "its interpreter does not run"));
    EXPECT_TRUE(session.is_alive());
    const auto brief = expect_throw<TimeoutError>([&] { session.wait_for_response(20); });
    EXPECT_TRUE(contains(brief.what(), " ms that the limit left for one: stats() waits longer for it"));
    gate.release();
    EXPECT_EQ(session.wait_for_response(), "ok");
    EXPECT_EQ(session.stats().worker_state, "ready");
    EXPECT_EQ(session.fetch_response("echo on"), "on");
}

TEST_P(HealthTest, TheLimitHoldsAlsoForAWorkerThatGivesNoSignOfLife) {
    TR_SKIP_UNLESS_AVAILABLE(GetParam());
    PythonSession session(tier_options());
    session.start();
    session.wait_until_ready();
    const Gate gate(workspace_.path() + "/gate");
    session.send_request("hold_gil " + workspace_.path() + "/gate");
    double closest = 100;  // of a few, as any one may be held up by the machine
    for (int i = 0; i < 5; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        expect_throw<TimeoutError>([&] { session.wait_for_response(kTimeToTell); });
        const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - begin;
        closest = std::min(closest, taken.count() / static_cast<double>(kTimeToTell));
    }
    EXPECT_LT(closest, 1.25);
    gate.release();
    EXPECT_EQ(session.wait_for_response(), "ok");
}

TEST_P(HealthTest, AnAnswerThatComesWhileASignOfLifeIsAwaitedIsTaken) {
    TR_SKIP_UNLESS_AVAILABLE(GetParam());
    PythonSession session(tier_options());
    session.start();
    session.wait_until_ready();
    const Gate gate(workspace_.path() + "/gate");
    session.send_request("hold_gil " + workspace_.path() + "/gate");
    const int questions = ::open((session.session_dir() + "/ping").c_str(), O_RDONLY | O_NONBLOCK);
    std::thread opener([&] {
        pollfd asked{questions, POLLIN, 0};  // which the worker cannot read
        EXPECT_EQ(::poll(&asked, 1, 30'000), 1);
        gate.release();
    });
    std::string answer;
    try {
        answer = session.wait_for_response(kTimeToTell);
    } catch (const TimeoutError&) {  // on a machine that is too slow for it: the answer is not lost
        answer = session.wait_for_response();
    }
    opener.join();
    ::close(questions);
    EXPECT_EQ(answer, "ok");
}

TEST_P(HealthTest, AStoppedProcessIsTold) {
    TR_SKIP_UNLESS_AVAILABLE(GetParam());
    PythonSession session(tier_options());
    session.start();
    session.wait_until_ready();
    session.send_request("stop");
    EXPECT_TRUE(eventually([&] { return session.stats().worker_state == "stopped"; }));
    const auto error = expect_throw<TimeoutError>([&] { session.wait_for_response(20); });
    EXPECT_TRUE(contains(error.what(), "continue it with SIGCONT"));
    ::kill(static_cast<pid_t>(session.stats().worker_pid), SIGCONT);
    EXPECT_EQ(session.wait_for_response(), "ok");
}

TEST_P(HealthTest, DeathEndsTheWaitAtOnce) {
    TR_SKIP_UNLESS_AVAILABLE(GetParam());
    PythonSession session(tier_options());
    session.start();
    session.wait_until_ready();
    const Gate gate(workspace_.path() + "/gate");
    session.send_request(gate.command());
    std::thread killer([&] {
        eventually([&] { return session.stats().progress == "a third done"; });
        ::kill(static_cast<pid_t>(session.stats().worker_pid), SIGKILL);
    });
    const auto error = expect_throw<RestartError>([&] { session.wait_for_response(0); });
    killer.join();
    EXPECT_TRUE(contains(error.what(), "was killed by signal 9"));
    EXPECT_TRUE(contains(error.what(), "while it was at work on request"));
    EXPECT_EQ(session.stats().worker_state, "dead");
}

INSTANTIATE_TEST_SUITE_P(Tiers, HealthTest, testing::Values(WakeUp::futex, WakeUp::inotify, WakeUp::polling),
                         [](const auto& tier) { return to_string(tier.param); });

}  // namespace
}  // namespace tr::test
