// Workers forked from a template that has imported their modules.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <future>

#include "platform/interrupt.h"
#include "starved_of_threads.h"
#include "support.h"

namespace tr::test {
namespace {

/// The system call is not there any more, for this process and those that it starts.
bool forbid(unsigned number) {
    std::array<sock_filter, 4> filter{{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    }};
    sock_fprog program{filter.size(), filter.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

class QuickStartTest : public SessionTest {
  protected:
    void SetUp() override {
        PythonSession session(quick("probe"));
        session.start();
        const std::string start = session.stats().start;
        if (contains(start, "plain: this operating system")) GTEST_SKIP() << start;
    }
    /// With a template of its own, which comes up when the gate is opened.
    SessionOptions gated(const Gate& gate) {
        std::ofstream(workspace_.path() + "/gated.py") << "open('" << gate.path() << "').read()\n";
        auto result = quick("gated");
        result.environment = {{"PYTHONPATH", workspace_.path()}};
        result.preload = {"gated"};
        result.start_timeout_ms = 20'000;
        return result;
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
    EXPECT_EQ(session.fetch_response("arguments"), "[]");  // the session id is for older servers alone
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
    session.start();
    const auto error = expect_throw<RestartError>([&] { session.wait_until_ready(); });
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

TEST_F(QuickStartTest, ATemplateThatTakesLongHoldsUpNobodyElse) {
    const Gate gate(workspace_.path() + "/gate");
    PythonSession slow(gated(gate));
    auto start = std::async(std::launch::async, [&] { slow.start(); });
    const int closed = gate.reached();
    PythonSession other(quick("other"));
    other.start();
    EXPECT_EQ(other.stats().start, "template");
    ::close(closed);
    start.get();
    EXPECT_EQ(slow.stats().start, "template");
}

TEST_F(QuickStartTest, TheWaitForATemplateKeepsToTheLimitOfTheCall) {
    const Gate gate(workspace_.path() + "/gate");
    auto recovering = gated(gate);
    recovering.restart.attempts = 1;
    PythonSession session(recovering);
    auto start = std::async(std::launch::async, [&] { session.start(); });
    gate.release();
    start.get();
    ::kill(std::stoi(session.fetch_response("parent")), SIGKILL);
    session.join();
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THROW(session.fetch_response("echo x", 300), TimeoutError);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
    EXPECT_TRUE(contains(session.stats().start, "plain: the template worker is not ready yet"));
    EXPECT_EQ(session.fetch_response("echo x"), "x");
    gate.release();  // it has been coming up all the time
    session.restart();
    EXPECT_EQ(session.stats().start, "template");
}

struct Interrupted {};

TEST_F(QuickStartTest, TheWaitForATemplateCanBeEnded) {
    const Gate gate(workspace_.path() + "/gate");
    PythonSession session(gated(gate));
    const auto start = [&] { return std::async(std::launch::async, [&] { session.start(); }); };
    const auto ended = [](const auto& call) {
        return call.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
    };
    auto terminated = start();
    const int closed = gate.reached();
    session.terminate();
    EXPECT_TRUE(ended(terminated));
    auto interrupted = start();
    detail::set_interrupt_check([] { throw Interrupted(); });  // as Ctrl-C in a Python host
    EXPECT_TRUE(ended(interrupted));
    detail::set_interrupt_check(nullptr);
    ::close(closed);
    EXPECT_THROW(terminated.get(), RestartError);
    EXPECT_THROW(interrupted.get(), Interrupted);
    session.start();
    EXPECT_EQ(session.stats().start, "template");
}

TEST_F(QuickStartTest, WhereTheSystemCannotWatchAForkedWorkerNoneIsForked) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer does not support threads that a fork starts";
#endif
    EXPECT_TRUE(in_a_fork([&] {
        if (!forbid(SYS_pidfd_open)) return false;
        PythonSession session(quick("unwatched"));
        session.start();
        session.wait_until_ready();
        return contains(session.stats().start, "plain: this operating system has no template workers") &&
               children_of(::getpid()) == std::vector<pid_t>{static_cast<pid_t>(session.stats().worker_pid)};
    }));
}

TEST_F(QuickStartTest, AForkedWorkerThatCannotBeWatchedIsNotLeft) {
    PythonSession first(quick("first"));
    first.start();
    const pid_t parent = std::stoi(first.fetch_response("parent"));
    PythonSession second(quick("second"));
    {
        const StarvedOfThreads starved;
        EXPECT_THROW(second.start(), RestartError);
    }
    EXPECT_EQ(children_of(parent), std::vector<pid_t>{static_cast<pid_t>(first.stats().worker_pid)});
    second.start();
    EXPECT_EQ(second.stats().start, "template");
}

TEST_F(QuickStartTest, ATemplateThatDoesNotAnswerIsReplaced) {
    PythonSession first(quick("first"));
    first.start();
    const pid_t parent = std::stoi(first.fetch_response("parent"));
    ::kill(parent, SIGSTOP);
    PythonSession second(quick("second"));
    second.start();
    EXPECT_TRUE(contains(second.stats().start, "plain: the template worker does not answer"));
    EXPECT_TRUE(eventually([&] { return !process_runs(parent); }));
    second.restart();
    EXPECT_EQ(second.stats().start, "template");
}

TEST_F(QuickStartTest, AnAnswerThatCameTooLateIsTakenForNoOther) {
    PythonSession first(quick("first"));
    first.start();
    const pid_t parent = std::stoi(first.fetch_response("parent"));
    ::kill(parent, SIGSTOP);
    ::kill(static_cast<pid_t>(first.stats().worker_pid), SIGKILL);
    first.join();  // without its status, which the template would have to tell
    ::kill(parent, SIGCONT);
    first.start();
    EXPECT_EQ(first.stats().start, "template");
    EXPECT_EQ(std::to_string(first.stats().worker_pid), first.fetch_response("pid"));
    EXPECT_EQ(std::to_string(parent), first.fetch_response("parent"));
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
