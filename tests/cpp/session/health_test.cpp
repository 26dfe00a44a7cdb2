// Dead, wedged, stopped, slow: the states of a worker are told apart, and none of them but death ends it.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "support.h"

namespace tr::test {
namespace {

constexpr std::int64_t kTimeToTell = 500;  ///< ms; a limit that leaves time enough for a sign of life

class HealthTest : public TierTest {
  protected:
    void SetUp() override {
        TierTest::SetUp();
        if (!IsSkipped()) begin(tier_options("recovery_server"));
    }
    const Gate gate_{workspace_.path() + "/gate"};
    const std::string hold_gil_ = "hold_gil " + gate_.path();
};

TEST_P(HealthTest, AnIdleWorkerIsReady) {
    EXPECT_EQ(PythonSession(tier_options("recovery_server")).stats().worker_state, "none");
    EXPECT_EQ(session_->stats().worker_state, "ready");
    EXPECT_EQ(session_->stats().busy_ms, 0);
    session_->terminate();
    EXPECT_EQ(session_->stats().worker_state, "dead");
}

TEST_P(HealthTest, ASlowRequestLeavesTheInterpreterRunning) {
    session_->send_request(gate_.command());
    EXPECT_TRUE(eventually([&] { return session_->stats().progress == "a third done"; }));
    EXPECT_EQ(session_->stats().worker_state, "busy");
    EXPECT_TRUE(eventually([&] { return session_->stats().busy_ms > 0; }));
    const auto error = expect_throw<TimeoutError>([&] { session_->wait_for_response(kTimeToTell); });
    EXPECT_TRUE(contains(error.what(), "its status is 'a third done'"));
    EXPECT_TRUE(contains(error.what(), "its interpreter runs, so it is merely slow"));
    EXPECT_TRUE(contains(error.what(), ", its code stands at " + server("recovery_server") + ":")) << error.what();
    EXPECT_TRUE(contains(error.what(), ", in main_logic; ")) << error.what();
    EXPECT_TRUE(contains(error.traceback(), "  File \"" + server("recovery_server") + "\", line "));
    gate_.release("slow");
    EXPECT_EQ(session_->wait_for_response(), "slow");
    EXPECT_EQ(session_->stats().progress, "");
}

TEST_P(HealthTest, NativeCodeThatHoldsTheGilIsToldAndNotKilled) {
    session_->send_request(hold_gil_);
    EXPECT_TRUE(eventually([&] { return session_->probe().state == "wedged"; }));
    const auto error = expect_throw<TimeoutError>([&] { session_->wait_for_response(kTimeToTell); });
    EXPECT_TRUE(contains(error.what(), "its interpreter does not run"));
    EXPECT_TRUE(session_->is_alive());
    const auto brief = expect_throw<TimeoutError>([&] { session_->wait_for_response(20); });
    EXPECT_TRUE(contains(brief.what(), " ms that the limit left for one: probe() waits longer for it"));
    gate_.release();
    EXPECT_EQ(session_->wait_for_response(), "ok");
    EXPECT_EQ(session_->stats().worker_state, "ready");
    EXPECT_EQ(session_->fetch_response("echo on"), "on");
}

TEST_P(HealthTest, WhatTheServerSaidLastIsThereHoweverSoonNativeCodeOrTheEndFollows) {
    session_->send_request(hold_gil_);
    EXPECT_TRUE(eventually([&] { return session_->probe().state == "wedged"; }));
    EXPECT_EQ(session_->stats().progress, "step 2 of native code");
    gate_.release();
    EXPECT_EQ(session_->wait_for_response(), "ok");
    const auto error = expect_throw<RestartError>([&] { session_->fetch_response("kill with these words"); });
    EXPECT_TRUE(contains(error.what(), "'kill', its last status was 'with these words'; ")) << error.what();
    EXPECT_EQ(read_text(session_->session_dir() + "/status.txt"), "with these words");
    session_->restart();
    const auto silent = expect_throw<RestartError>([&] { session_->fetch_response("kill"); });
    EXPECT_FALSE(contains(silent.what(), "status")) << silent.what();
}

TEST_P(HealthTest, TheLimitHoldsAlsoForAWorkerThatGivesNoSignOfLife) {
    session_->send_request(hold_gil_);
    bool holds = false;
    for (int i = 0; i < 5 && !holds; ++i) {  // as any one may be held up by the machine
        const auto begin = std::chrono::steady_clock::now();
        expect_throw<TimeoutError>([&] { session_->wait_for_response(kTimeToTell); });
        holds = std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(kTimeToTell * 5 / 4);
    }
    EXPECT_TRUE(holds);
    gate_.release();
    EXPECT_EQ(session_->wait_for_response(), "ok");
}

TEST_P(HealthTest, AnAnswerThatComesWhileASignOfLifeIsAwaitedIsTaken) {
    session_->send_request(hold_gil_);
    const int questions = ::open((session_->session_dir() + "/ping").c_str(), O_RDONLY | O_NONBLOCK);
    std::thread opener([&] {
        pollfd asked{questions, POLLIN, 0};  // which the worker cannot read
        EXPECT_EQ(::poll(&asked, 1, 30'000), 1);
        gate_.release();
    });
    std::string answer;
    try {
        answer = session_->wait_for_response(kTimeToTell);
    } catch (const TimeoutError&) {  // on a machine that is too slow for it: the answer is not lost
        answer = session_->wait_for_response();
    }
    opener.join();
    ::close(questions);
    EXPECT_EQ(answer, "ok");
}

TEST_P(HealthTest, AStoppedProcessIsTold) {
    session_->send_request("stop");
    EXPECT_TRUE(eventually([&] { return session_->stats().worker_state == "stopped"; }));
    const auto error = expect_throw<TimeoutError>([&] { session_->wait_for_response(20); });
    EXPECT_TRUE(contains(error.what(), "continue it with SIGCONT"));
    ::kill(static_cast<pid_t>(session_->stats().worker_pid), SIGCONT);
    EXPECT_EQ(session_->wait_for_response(), "ok");
}

TEST_P(HealthTest, DeathEndsTheWaitAtOnce) {
    session_->send_request(gate_.command());
    std::thread killer([&] {
        eventually([&] { return session_->stats().progress == "a third done"; });
        ::kill(static_cast<pid_t>(session_->stats().worker_pid), SIGKILL);
    });
    const auto error = expect_throw<RestartError>([&] { session_->wait_for_response(0); });
    killer.join();
    EXPECT_TRUE(contains(error.what(), "was killed by signal 9"));
    EXPECT_TRUE(contains(error.what(), "while it was at work on request"));
    EXPECT_EQ(session_->stats().worker_state, "dead");
}

INSTANTIATE_TEST_SUITE_P(Tiers, HealthTest, testing::Values(WakeUp::futex, WakeUp::inotify, WakeUp::polling),
                         tier_name);

}  // namespace
}  // namespace tr::test
