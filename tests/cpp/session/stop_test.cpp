// terminate() while a worker is started: it is not lost.
#include <signal.h>

#include "support.h"

namespace tr::test {
namespace {

class StopTest : public SessionTest {
  protected:
    /// Whose worker is terminated as soon as the log has a line with these words.
    SessionOptions terminated_at(const std::string& words) {
        auto result = options();
        result.log = [this, words](LogLevel, const std::string& line) {
            if (armed_ && contains(line, words)) session_->terminate();
        };
        return result;
    }
    bool armed_ = true;
    std::unique_ptr<PythonSession> session_;
};

TEST_F(StopTest, TerminateDuringTheFirstStartIsNotLost) {
    for (const char* words : {"directory '", "worker "}) {  // before there is a process, and with it
        session_ = std::make_unique<PythonSession>(terminated_at(words));
        armed_ = true;
        const auto error = expect_throw<RestartError>([&] { session_->start(); });
        EXPECT_TRUE(contains(error.what(), "terminate() or please_exit() was called while one was started"));
        EXPECT_FALSE(session_->is_alive());
        armed_ = false;
        session_->start();
        EXPECT_EQ(session_->fetch_response("echo x"), "x");
        session_.reset();
    }
}

TEST_F(StopTest, TerminateWhileThePolicyStartsAWorkerIsNotLost) {
    auto recovering = terminated_at("another one is started");
    recovering.restart.attempts = 3;
    recovering.restart.idempotent = {"*"};
    session_ = std::make_unique<PythonSession>(recovering);
    session_->start();
    ASSERT_EQ(session_->fetch_response("echo x"), "x");
    ::kill(static_cast<pid_t>(session_->stats().worker_pid), SIGKILL);
    session_->join();
    const auto error = expect_throw<RestartError>([&] { session_->fetch_response("echo x"); });
    EXPECT_TRUE(contains(error.what(), "was called while one was started"));
    EXPECT_FALSE(session_->is_alive());
    EXPECT_EQ(session_->stats().epoch, 1U);
}

}  // namespace
}  // namespace tr::test
