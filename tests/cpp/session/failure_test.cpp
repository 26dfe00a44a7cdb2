// What goes wrong, and that each failure is the right exception, soon, with a message that helps.
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>

#include "support.h"

namespace tr::test {
namespace {

using FailureTest = SessionTest;

TEST_F(FailureTest, AnIdInUseByThisProgram) {
    PythonSession first(options());
    first.start();
    PythonSession second(options());
    const auto error = expect_throw<RetryError>([&] { second.start(); });
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_TRUE(contains(error.what(), "'test' is in use by another session of this program"));
    EXPECT_EQ(first.fetch_response("echo undisturbed"), "undisturbed");
}

TEST_F(FailureTest, WhereNoIdIsGivenOneThatIsFreeIsTaken) {
    auto unnamed = options();
    unnamed.session_id.clear();
    std::string lines;
    unnamed.log = [&lines](LogLevel, const std::string& line) { lines += line + "\n"; };
    PythonSession first(unnamed);
    PythonSession second(unnamed);
    EXPECT_EQ(second.session_id(), "default");
    const std::string& id = second.session_id();
    first.start();
    second.start();
    EXPECT_EQ(first.session_id(), "default");
    EXPECT_EQ(first.session_dir(), workspace_.path() + "/python_session/tr_session_default");
    EXPECT_NE(second.session_id(), "default");
    EXPECT_EQ(id, "default") << "what was given before stays as it was";
    EXPECT_EQ(second.session_dir(), workspace_.path() + "/python_session/tr_session_" + second.session_id());
    EXPECT_TRUE(
        contains(lines, "the session id is '" + second.session_id() + "', as none was given and 'default' is in use"))
        << lines;
    EXPECT_EQ(second.fetch_response("echo two"), "two");
    EXPECT_TRUE(contains(expect_throw<RestartError>([&] { second.fetch_response("kill SIGKILL"); }).what(),
                         "session '" + second.session_id() + "'"));
    const std::string kept = second.session_id();
    second.restart();
    EXPECT_EQ(second.session_id(), kept);

    auto given = unnamed;
    given.session_id = "default";
    EXPECT_THROW(PythonSession(given).start(), RetryError);
    PythonSession third(options().script, "", true);
    EXPECT_EQ(third.session_id(), "default");
}

TEST_F(FailureTest, AnIdInUseByAnotherProgram) {
    PythonSession first(options());
    first.start();
    const pid_t child = ::fork();
    if (child == 0) {
        // In a fork of this program `first` is not ours, and the lock is held by another process.
        int result = 1;
        try {
            auto same = options();
            PythonSession second(same);
            second.start();
        } catch (const RetryError& error) {
            result = std::string(error.what()).find("in use by") != std::string::npos ? 0 : 2;
        } catch (...) {
            result = 3;
        }
        ::_exit(result);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(first.fetch_response("echo undisturbed"), "undisturbed");
}

TEST_F(FailureTest, BadIdsAreRefusedAtOnce) {
    for (const char* id : {"../up", "a/b", ".hidden", "$(touch x)", "a b"}) {
        auto bad = options();
        bad.session_id = id;
        EXPECT_THROW(PythonSession{bad}, InputError) << id;
    }
}

TEST_F(FailureTest, NothingWorksBeforeStart) {
    PythonSession session(options());
    EXPECT_TRUE(
        contains(expect_throw<InputError>([&] { session.fetch_response("echo x"); }).what(), "call start() first"));
    EXPECT_THROW(session.send_tensor(Tensor::ones(Shape(1)), "x"), InputError);
    EXPECT_THROW(session.wait_until_ready(), InputError);
    EXPECT_FALSE(session.is_alive());
    session.terminate();
    session.please_exit();
    session.join();
}

TEST_F(FailureTest, AnExceptionInPythonComesWithItsTraceback) {
    PythonSession session(options());
    session.start();
    const auto error = expect_throw<RemoteError>([&] { session.fetch_response("raise the \"reason\""); });
    EXPECT_EQ(error.code(), ErrorCode::unknown);
    EXPECT_EQ(error.python_type(), "ValueError");
    EXPECT_TRUE(contains(error.what(), "the \"reason\""));
    EXPECT_TRUE(contains(error.traceback(), "text_server.py"));
    EXPECT_EQ(session.fetch_response("echo on"), "on");
    EXPECT_EQ(session.stats().failures, 1U);
}

TEST_F(FailureTest, AnUnknownCommandIsNotFound) {
    PythonSession session(options());
    session.start();
    const auto error = expect_throw<NotFoundError>([&] { session.fetch_response("no_such_command x"); });
    EXPECT_TRUE(contains(error.what(), "no_such_command"));
    session.send_request("no_such_command");
    EXPECT_THROW(session.wait_until_ok(), NotFoundError);
    EXPECT_EQ(session.fetch_response("echo on"), "on");
}

TEST_F(FailureTest, AServerThatCallsSysExitSaysSo) {
    PythonSession session(options());
    session.start();
    EXPECT_THROW(session.fetch_response("sys_exit 3"), RemoteError);
    session.join();
    EXPECT_THROW(session.fetch_response("echo x"), RestartError);
}

TEST_F(FailureTest, WhatHasNotComeAboutInTimeIsNone) {
    auto keeping = options("slow_to_import");
    const std::string gate = workspace_.path() + "/gate";
    ASSERT_EQ(::mkfifo(gate.c_str(), 0600), 0);
    keeping.environment["TR_TEST_GATE"] = gate;
    keeping.keep_on_failure = true;
    int failures = 0;
    keeping.observer = [&failures](const SessionEvent& event) {
        failures += event.kind == SessionEvent::Kind::failed ? 1 : 0;
    };
    PythonSession session(keeping);
    session.start();
    session.send_request("echo x");
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(session.wait_until_ready(1));
        EXPECT_FALSE(session.wait_until_ok(1));
    }
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(session.stats().failures, 0U);
    EXPECT_EQ(session.stats().kept, "");
    EXPECT_THROW(session.wait_for_response(1), TimeoutError);
    EXPECT_EQ(failures, 1);
    EXPECT_EQ(session.stats().failures, 1U);
    EXPECT_TRUE(fs::exists(session.stats().kept));
    std::ofstream(gate).close();
    EXPECT_TRUE(session.wait_until_ready());
    EXPECT_THROW(session.wait_until_ok(), RemoteError);  // an answer that tells of a failure is one
    EXPECT_EQ(failures, 2);
}

struct Death {
    const char* command;
    const char* text;
};

class EachDeath : public SessionTest, public testing::WithParamInterface<Death> {};

TEST_P(EachDeath, IsNoticedAtOnceAndExplained) {
    auto waits_for_ever = options();
    waits_for_ever.default_timeout_ms = 0;
    PythonSession session(waits_for_ever);
    session.start();
    session.wait_until_ready();
    const auto error = expect_throw<RestartError>([&] { session.fetch_response(GetParam().command); });
    EXPECT_EQ(error.code(), ErrorCode::server_error);
    EXPECT_TRUE(contains(error.what(), GetParam().text));
    EXPECT_TRUE(contains(error.what(), "at work on request 1"));
    EXPECT_FALSE(session.is_alive());
    session.start();
    EXPECT_EQ(session.fetch_response("echo again"), "again");
}

INSTANTIATE_TEST_SUITE_P(Deaths, EachDeath,
                         testing::Values(Death{"exit 3", "exited with code 3"},
                                         Death{"kill SIGKILL", "signal 9 (SIGKILL"},
                                         Death{"kill SIGSEGV", "signal 11 (SIGSEGV"},
                                         Death{"kill SIGABRT", "about to be killed"}),
                         [](const auto& death) {
                             std::string name = death.param.command;
                             std::replace(name.begin(), name.end(), ' ', '_');
                             return name;
                         });

TEST_F(FailureTest, AWorkerKilledWhileIdleFailsTheNextCall) {
    PythonSession session(options());
    session.start();
    const auto pid = static_cast<pid_t>(std::stoi(session.fetch_response("pid")));
    ::kill(pid, SIGKILL);
    session.join();
    const auto error = expect_throw<RestartError>([&] { session.fetch_response("echo x"); });
    EXPECT_TRUE(contains(error.what(), "while it was idle"));
}

TEST_F(FailureTest, ATimeoutIsAnExceptionAndTheSessionGoesOn) {
    PythonSession session(options());
    session.start();
    session.wait_until_ready();
    const Gate gate(workspace_.path() + "/gate");
    const auto error = expect_throw<TimeoutError>([&] { session.fetch_response(gate.command(), 50); });
    EXPECT_EQ(error.code(), ErrorCode::timeout);
    EXPECT_TRUE(contains(error.what(), "wait_for_fifo"));
    EXPECT_TRUE(session.is_busy());
    EXPECT_THROW(session.fetch_response("echo too early", 50), TimeoutError);
    gate.release();
    EXPECT_EQ(session.fetch_response("echo after"), "after");
}

TEST_F(FailureTest, AWaitThatTimedOutMayBeTakenUpAgain) {
    PythonSession session(options());
    session.start();
    const Gate gate(workspace_.path() + "/gate");
    session.send_request(gate.command());
    EXPECT_THROW(session.wait_for_response(50), TimeoutError);
    gate.release("late but right");
    EXPECT_EQ(session.wait_for_response(), "late but right");
}

TEST_F(FailureTest, AFailedSessionsDirectoryIsKeptOnRequest) {
    auto keeping = options();
    keeping.keep_on_failure = true;
    {
        PythonSession session(keeping);
        session.start();
        EXPECT_THROW(session.fetch_response("raise x"), RemoteError);
    }
    int kept = 0;
    for (const auto& entry : fs::directory_iterator(workspace_.path() + "/python_session"))
        if (entry.path().filename().string().rfind("kept_test_", 0) == 0) {
            ++kept;
            EXPECT_TRUE(fs::exists(entry.path() / "worker.log"));
        }
    EXPECT_EQ(kept, 1);
    PythonSession next(keeping);
    next.start();
    EXPECT_EQ(next.fetch_response("echo x"), "x");
}

TEST_F(FailureTest, ChildrenOfAServerWithoutAGuardAreNoWorkers) {
    PythonSession session(options("spawning_server"));
    session.start();
    const std::string worker = session.fetch_response("pid");
    EXPECT_NE(session.fetch_response("spawn"), worker);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(session.fetch_response("pid"), worker);
}

TEST_F(FailureTest, AWorkspaceOfSomebodyElsesIsRefused) {
    fs::create_directories(workspace_.path() + "/elsewhere");
    fs::create_symlink(workspace_.path() + "/elsewhere", workspace_.path() + "/python_session");
    PythonSession session(options());
    const auto error = expect_throw<InputError>([&] { session.start(); });
    EXPECT_EQ(error.code(), ErrorCode::permission_denied);
    EXPECT_TRUE(contains(error.what(), "symbolic link"));
}

}  // namespace
}  // namespace tr::test
