// Dead, wedged, stopped, slow: the states of a worker are told apart, and none of them but death ends it.
#include <signal.h>

#include <thread>

#include "support.h"

namespace tr::test {
namespace {

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
    const auto error = expect_throw<TimeoutError>([&] { session.wait_for_response(20); });
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
    EXPECT_TRUE(eventually([&] { return session.stats().worker_state == "wedged"; }));
    const auto error = expect_throw<TimeoutError>([&] { session.wait_for_response(20); });
    EXPECT_TRUE(contains(error.what(), "its interpreter does not run"));
    EXPECT_TRUE(session.is_alive());
    gate.release();
    EXPECT_EQ(session.wait_for_response(), "ok");
    EXPECT_EQ(session.stats().worker_state, "ready");
    EXPECT_EQ(session.fetch_response("echo on"), "on");
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
