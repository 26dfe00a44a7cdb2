// Workers forked from a template that has imported their modules.
#include <signal.h>

#include "support.h"

namespace tr::test {
namespace {

class QuickStartTest : public SessionTest {
  protected:
    void SetUp() override {
        PythonSession session(quick("probe"));
        session.start();
        const std::string start = session.stats().start;
        if (contains(start, "plain: this operating system")) GTEST_SKIP() << start;
    }
    SessionOptions quick(const std::string& id) {
        auto result = options();
        result.session_id = id;
        result.python = TR_TEST_PYTHON;
        result.quick_start = true;
        result.preload = {"numpy"};
        return result;
    }
};

TEST_F(QuickStartTest, WorkersComeFromOneTemplateAndHaveItsModules) {
    PythonSession first(quick("first"));
    first.start();
    ASSERT_EQ(first.stats().start, "template");
    PythonSession second(quick("second"));
    second.start();
    EXPECT_EQ(first.fetch_response("parent"), second.fetch_response("parent"));
    EXPECT_NE(first.fetch_response("pid"), second.fetch_response("pid"));
    EXPECT_EQ(first.fetch_response("modules numpy"), "True");
    EXPECT_NE(first.fetch_response("numpy_random"), second.fetch_response("numpy_random"));
}

TEST_F(QuickStartTest, AWorkerIsWhatAPlainStartMakesOfIt) {
    auto special = quick("special");
    special.environment = {{"GREETING", "good day"}};
    special.working_directory = workspace_.path();
    PythonSession session(special);
    session.start();
    ASSERT_EQ(session.stats().start, "template");
    EXPECT_EQ(session.fetch_response("arguments"), "['special']");
    EXPECT_EQ(session.fetch_response("environment GREETING"), "good day");
    EXPECT_EQ(session.fetch_response("working_directory"), workspace_.path());
    EXPECT_EQ(std::to_string(session.stats().worker_pid), session.fetch_response("pid"));
    session.fetch_response("print words");
    EXPECT_TRUE(contains(read_text(session.session_dir() + "/worker.log"), "printed: words"));
}

TEST_F(QuickStartTest, DeathIsNoticedWithItsStatus) {
    PythonSession session(quick("mortal"));
    session.start();
    EXPECT_TRUE(contains(expect_throw<RestartError>([&] { session.fetch_response("exit 3"); }).what(), "code 3"));
    session.start();
    EXPECT_TRUE(
        contains(expect_throw<RestartError>([&] { session.fetch_response("kill SIGKILL"); }).what(), "SIGKILL"));
    session.start();
    session.please_exit();
    EXPECT_FALSE(session.is_alive());
}

TEST_F(QuickStartTest, AScriptWithASyntaxErrorIsExplained) {
    auto broken = quick("broken");
    broken.script = server("syntax_error");
    PythonSession session(broken);
    const auto error = expect_throw<RestartError>([&] { session.start(); });
    EXPECT_TRUE(contains(error.what(), "SyntaxError"));
    EXPECT_TRUE(contains(error.what(), "exited with code 1"));
}

TEST_F(QuickStartTest, WhereNoTemplateCanBeHadTheStartIsPlain) {
    auto impossible = quick("plain");
    impossible.preload = {"no_such_module"};
    PythonSession session(impossible);
    session.start();
    EXPECT_EQ(session.fetch_response("echo x"), "x");
    EXPECT_TRUE(contains(session.stats().start, "plain: "));
    EXPECT_TRUE(contains(session.stats().start, "no_such_module cannot be imported"));
}

TEST_F(QuickStartTest, ATemplateThatDiesIsReplaced) {
    PythonSession session(quick("orphan"));
    session.start();
    const pid_t parent = std::stoi(session.fetch_response("parent"));
    ::kill(parent, SIGKILL);
    session.join();
    EXPECT_THROW(session.fetch_response("echo x"), RestartError);
    session.start();
    ASSERT_EQ(session.stats().start, "template");
    EXPECT_NE(std::to_string(parent), session.fetch_response("parent"));
}

}  // namespace
}  // namespace tr::test
