// Sessions on Windows, with a worker in the interpreter of $TR_PYTHON, which has NumPy.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "expectations.h"
#include "platform/file.h"
#include "platform/host.h"
#include "tech_renaissance.h"

namespace tr::test {
namespace {

namespace fs = std::filesystem;

class WindowsSession : public testing::Test {
  protected:
    void SetUp() override {
        if (platform::environment_variable("TR_PYTHON").empty())
            GTEST_SKIP() << "$TR_PYTHON names no interpreter for Windows";
        int count = 0;
        do workspace_ = (fs::temp_directory_path() / ("tr session " + std::to_string(count++))).string();
        while (!platform::make_private_directory(workspace_));
    }
    void TearDown() override {
        if (workspace_.empty()) return;
        for (const auto& left : fs::recursive_directory_iterator(workspace_ + "/python_session"))
            EXPECT_EQ(left.path().filename(), ".lock") << left.path();
        platform::remove_tree(workspace_);
    }

    SessionOptions options(const std::string& script) const {
        SessionOptions result;
        result.script =
            script == "default" ? script : std::string(TR_REPO_DIR) + "/tests/cpp/session/servers/" + script + ".py";
        result.session_id = "test";
        result.workspace = workspace_;
        result.quiet = true;
        return result;
    }

    /// A server of several requests at a time, of a kind that several_server.py knows.
    SessionOptions several(const std::string& kind) const {
        auto result = options("several_server");
        result.environment["KIND"] = kind;
        result.max_ongoing_requests = 4;
        return result;
    }

    std::string workspace_;
};

TEST_F(WindowsSession, TextComesBackUnchanged) {
    PythonSession session(options("text_server"));
    session.start();
    for (const std::string text :
         {"plain", "with \"quotes\"", "back\\slashes", "h\xc3\xa9llo \xf0\x9f\xa6\x8a", "line\nbreaks\r\nand tabs"})
        EXPECT_EQ(session.fetch_response("echo " + text), text);
    const std::string large(1 << 20, 'x');
    EXPECT_EQ(session.fetch_response("echo " + large), large);
    EXPECT_TRUE(contains(session.fetch_response("arguments"), "test"));
    for (int i = 0; i < 100; ++i) EXPECT_EQ(session.fetch_response("echo " + std::to_string(i)), std::to_string(i));
}

TEST_F(WindowsSession, TensorsGoThereAndBack) {
    PythonSession session(options("numpy_server"));
    session.start();
    for (const std::int64_t count : {0, 1, 1000, 3'000'000}) {
        const Tensor x = Tensor::rand(Shape(count));
        EXPECT_TRUE(session.calculate("echo", x).equal(x));
        EXPECT_TRUE(session.calculate("add", x, x).is_close(session.calculate("twice", x)));
    }
    const Tensor kept = session.calculate("twice", Tensor::full(Shape(100'000), 1.0));
    session.calculate("twice", Tensor::full(Shape(100'000), 5.0));
    EXPECT_EQ(kept.data<float>()[99'999], 2.0F);
    std::int64_t count = 0;
    for (const Tensor& part : session.stream("count 20")) EXPECT_EQ(part.data<float>()[0], static_cast<float>(count++));
    EXPECT_EQ(count, 20);
}

TEST_F(WindowsSession, ErrorsArriveWithTheirTraceback) {
    PythonSession session(options("text_server"));
    session.start();
    const auto error = expect_throw<TRException>([&] { session.fetch_response("raise h\xc3\xa9"); });
    EXPECT_TRUE(contains(error.what(), "ValueError"));
    EXPECT_TRUE(contains(error.what(), "h\xc3\xa9"));
    EXPECT_THROW(session.fetch_response("no_such_command"), TRException);
    EXPECT_EQ(session.fetch_response("echo on"), "on");
}

TEST_F(WindowsSession, ADeathIsToldAndTheWorkerStartedAgain) {
    PythonSession session(options("text_server"));
    session.start();
    EXPECT_TRUE(
        contains(expect_throw<RestartError>([&] { session.fetch_response("exit 7"); }).what(), "exited with code 7"));
    session.restart();
    EXPECT_EQ(session.fetch_response("echo again"), "again");
    session.terminate();
    EXPECT_FALSE(session.is_alive());
}

TEST_F(WindowsSession, AStartThatFailsIsToldWithTheLog) {
    PythonSession session(options("syntax_error"));
    const auto error = expect_throw<TRException>([&] {
        session.start();
        session.fetch_response("echo x");
    });
    EXPECT_TRUE(contains(error.what(), "SyntaxError"));
}

TEST_F(WindowsSession, AWorkerLeavesWhenItIsAskedTo) {
    auto logged = options("text_server");
    std::string log;
    logged.log = [&log](LogLevel, const std::string& line) { log += line + '\n'; };
    {
        PythonSession session(logged);
        session.start();
        EXPECT_EQ(session.fetch_response("echo x"), "x");
        session.please_exit();
    }
    EXPECT_TRUE(contains(log, "exited with code 0"));
    EXPECT_TRUE(contains(log, "carrier files"));
}

TEST_F(WindowsSession, ASecondHostOfTheSameIdIsRefused) {
    PythonSession session(options("text_server"));
    session.start();
    EXPECT_TRUE(
        contains(expect_throw<RetryError>([&] { PythonSession(options("text_server")).start(); }).what(), "is in use"));
}

class SeveralOnWindows : public WindowsSession, public testing::WithParamInterface<const char*> {};

TEST_P(SeveralOnWindows, RequestsMeetInTheWorker) {
    PythonSession session(several(GetParam()));
    session.start();
    std::atomic<int> met{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i)
        callers.emplace_back([&] { met += session.fetch_response("meet " + std::to_string(i)) == std::to_string(i); });
    for (auto& caller : callers) caller.join();
    EXPECT_EQ(met, 4);
    EXPECT_EQ(session.calculate("double", Tensor::full(Shape(5), 2.0)).data<float>()[4], 4.0F);
}

TEST_P(SeveralOnWindows, ACallThatIsGivenUpIsCancelledThere) {
    PythonSession session(several(GetParam()));
    session.start();
    session.wait_until_ready();
    const std::string command = GetParam() == std::string("async") ? "forever" : "until_cancelled";
    EXPECT_THROW(session.fetch_response(command + " started", 500), TimeoutError);
    while (!platform::file_exists(session.session_dir() + "/started.noticed")) std::this_thread::yield();
    EXPECT_EQ(session.fetch_response("echo next"), "next");
}

INSTANTIATE_TEST_SUITE_P(Servers, SeveralOnWindows, testing::Values("threads", "async"),
                         [](const auto& kind) { return std::string(kind.param); });

}  // namespace
}  // namespace tr::test
