// Starts that cannot be, and starts after something has gone wrong.
#include <signal.h>

#include <unistd.h>

#include <fstream>
#include <thread>

#include "support.h"
#include "worker/launch_plan.h"

namespace tr::test {
namespace {

using StartTest = SessionTest;

/// Of a session whose process can be started, and ends.
RestartError first_error(PythonSession& session) {
    EXPECT_NO_THROW(session.start());
    return expect_throw<RestartError>([&] { session.fetch_response("echo x"); });
}

TEST_F(StartTest, AScriptThatDoesNotExist) {
    PythonSession session(options("no_such_script"));
    const auto error = expect_throw<InputError>([&] { session.start(); });
    EXPECT_TRUE(contains(error.what(), "no_such_script.py' does not exist"));
    EXPECT_FALSE(session.is_alive());
}

TEST_F(StartTest, APackageThatOthersCouldHavePutThereIsNotUsed) {
    const fs::path here = workspace_.path();
    const fs::path package = here / "share/tech_renaissance/python";
    fs::create_directories(package / "tech_renaissance");
    fs::create_directory(here / "programs");
    std::ofstream(package / "tech_renaissance/__init__.py") << "\n";
    const std::string program = here / "programs/program";
    std::ofstream(program) << "\n";
    for (auto part = package / "tech_renaissance"; part != here; part = part.parent_path())
        fs::permissions(part, fs::perms::owner_all);
    EXPECT_EQ(find_package_directory(program, {}), package);

    std::ofstream(package / "tech_renaissance/_version.py") << "__version__ = \"99.0.0\"\n";
    const auto other = expect_throw<RestartError>([&] { find_package_directory(program, {}); });
    EXPECT_TRUE(contains(other.what(), "it is of another version than this library, ")) << other.what();
    fs::remove(package / "tech_renaissance/_version.py");

    fs::permissions(here / "share", fs::perms::all);
    const auto error = expect_throw<RestartError>([&] { find_package_directory(program, {}); });
    EXPECT_TRUE(contains(error.what(), "others may write to '" + (here / "share").string() + "'")) << error.what();
    EXPECT_TRUE(contains(error.what(), "TR_PACKAGE_DIR")) << error.what();
    fs::permissions(here / "share", fs::perms::all | fs::perms::sticky_bit);
    EXPECT_EQ(find_package_directory(program, {}), package);
    if (::geteuid() == 0) {
        ASSERT_EQ(::chown((here / "share").c_str(), 12345, 12345), 0);
        const auto theirs = expect_throw<RestartError>([&] { find_package_directory(program, {}); });
        EXPECT_TRUE(contains(theirs.what(), "belongs to user 12345")) << theirs.what();
    }
}

TEST_F(StartTest, AScriptWithASyntaxError) {
    PythonSession session(options("syntax_error"));
    const auto error = first_error(session);
    EXPECT_TRUE(contains(error.what(), "SyntaxError"));
    EXPECT_TRUE(contains(error.what(), "exited with code 1"));
    EXPECT_TRUE(contains(error.what(), "before it was ready: /usr/bin/python3 (SessionOptions::python)"));
}

TEST_F(StartTest, AnInterpreterThatIsNoPythonIsNamed) {
    auto wrong = options();
    wrong.python = "/bin/true";
    PythonSession session(wrong);
    const auto error = first_error(session);
    EXPECT_TRUE(contains(error.what(), "'/bin/true', chosen by SessionOptions::python, is no Python interpreter"));
    EXPECT_EQ(session.stats().worker_state, "dead");
}

TEST_F(StartTest, ALauncherThatRunsNothingIsNamed) {
    auto wrong = options();
    wrong.launcher = {"true"};
    PythonSession session(wrong);
    const auto error = first_error(session);
    EXPECT_TRUE(contains(error.what(), "before it was ready: true /")) << error.what();
    EXPECT_TRUE(contains(error.what(), "its launcher came to its end: expected one that runs what follows it"));
}

TEST_F(StartTest, AWorkspaceThatIsAFileIsAnErrorWithAdvice) {
    auto wrong = options();
    wrong.workspace = "/etc/passwd";
    PythonSession session(wrong);
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { session.start(); }).what(), "name another workspace"));
}

TEST_F(StartTest, ASessionDirectoryThatIsALinkIsAnErrorWithAdvice) {
    const std::string parent = workspace_.path() + "/python_session";
    fs::create_directory(parent);
    fs::permissions(parent, fs::perms::owner_all);
    fs::create_directory_symlink("/tmp", parent + "/tr_session_test");
    PythonSession session(options());
    const auto error = expect_throw<InputError>([&] { session.start(); });
    EXPECT_TRUE(contains(error.what(), "remove it, or choose another session id"));
}

TEST_F(StartTest, TheOlderModuleBesideTheScriptIsNamed) {
    std::ofstream(workspace_.path() + "/tech_renaissance.py") << "import signal\nsignal.pause()\n";
    std::ofstream(workspace_.path() + "/server.py") << "from tech_renaissance import TechRenaissanceServer\n";
    auto moved = options();
    moved.script = workspace_.path() + "/server.py";
    PythonSession session(moved);
    session.start();
    const auto error = expect_throw<TimeoutError>([&] { session.fetch_response("echo x", 50); });
    EXPECT_TRUE(contains(error.what(), "/tech_renaissance.py' hides the package tech_renaissance")) << error.what();
}

class StartAfterAnExit : public SessionTest, public testing::WithParamInterface<const char*> {};

TEST_P(StartAfterAnExit, WaitsForTheWorkerToLeave) {
    PythonSession session(options());
    const std::string left = workspace_.path() + "/left";
    for (int i = 0; i < 2; ++i) {
        session.start();
        session.fetch_response("leave_slowly " + left);
        try {
            session.fetch_response(GetParam());
        } catch (const RemoteError&) {  // what the server's own exit is to the one whose request it ends
        }
        session.start();
        EXPECT_TRUE(fs::remove(left)) << "the worker did not come to its end";
        EXPECT_FALSE(fs::exists(left + ".sigterm"));
        session.please_exit();
    }
}

TEST_F(StartTest, AfterAnExitThatNobodyHasReadWaitsToo) {
    for (const char* exit : {"__exit__", "exit"}) {
        PythonSession session(options());
        const std::string left = workspace_.path() + "/left";
        session.start();
        session.fetch_response("leave_slowly " + left);
        session.send_request(exit);
        session.start();
        EXPECT_TRUE(fs::remove(left)) << "the worker did not come to its end";
        EXPECT_NO_THROW(session.wait_for_response()) << "its answer can still be read";
        EXPECT_EQ(session.fetch_response("echo x"), "x");
        EXPECT_EQ(session.stats().epoch, 2U);
        // Before it was ready.
        session.restart();
        session.terminate();
        session.start();
        session.send_request(exit);
        session.start();
        EXPECT_EQ(session.fetch_response("echo x"), "x");
        EXPECT_EQ(session.stats().epoch, 5U);
    }
}

INSTANTIATE_TEST_SUITE_P(Ways, StartAfterAnExit, testing::Values("__exit__", "exit", "sys_exit 3"),
                         [](const auto& way) {
                             const std::string asked = way.index == 0 ? "AsAsked" : "AskedInAWord";
                             return way.index == 2 ? std::string("OfItsOwn") : asked;
                         });

TEST_F(StartTest, AScriptThatEndsAtOnce) {
    PythonSession session(options("exits_at_once"));
    const auto error = first_error(session);
    EXPECT_TRUE(contains(error.what(), "this script has nothing to serve"));
    EXPECT_FALSE(contains(error.what(), "sent")) << error.what();
    const auto again = expect_throw<RestartError>([&] { session.wait_until_ready(); });
    EXPECT_STREQ(again.what(), error.what());
    EXPECT_STREQ(expect_throw<RestartError>([&] { session.send_request("echo x"); }).what(), error.what());
    EXPECT_STREQ(expect_throw<RestartError>([&] { session.calculate("x", Tensor::ones(Shape(2))); }).what(),
                 error.what());
    session.start();  // another worker, with an end of its own
    EXPECT_EQ(session.stats().epoch, 2U);
    EXPECT_TRUE(contains(expect_throw<RestartError>([&] { session.empty(Shape(2), DType::FP32, "a"); }).what(),
                         "this script has nothing to serve"));
}

class Several : public SessionTest {
  protected:
    /// Sessions whose workers are ready when the gate opens.
    PythonSession gated(const std::string& id) {
        auto slow = options("slow_to_import");
        slow.environment["TR_TEST_GATE"] = gate_.path();
        slow.session_id = id;
        return PythonSession(slow);
    }
    const Gate gate_{workspace_.path() + "/gate"};
};

TEST_F(Several, StartReturnsWhenTheProcessRuns) {
    PythonSession session = gated("test");
    session.start();
    EXPECT_EQ(session.stats().worker_state, "starting");
    EXPECT_FALSE(session.wait_until_ready(1));
    gate_.release();
    EXPECT_TRUE(session.wait_until_ready());
}

TEST_F(Several, StartAsyncIsReadyWhenTheWorkerIs) {
    PythonSession session = gated("test");
    CallFuture started = session.start_async();
    WaitSet next;
    next.add(started, 1);
    const int closed = gate_.reached();  // by the worker
    EXPECT_FALSE(started.is_ready());
    ::close(closed);
    EXPECT_EQ(next.wait(20'000)->event, WaitSet::Event::call);
    started.get();
    EXPECT_TRUE(session.is_ready());

    CallFuture again = session.start_async();  // there is one
    EXPECT_NO_THROW(again.get());
    EXPECT_EQ(session.stats().epoch, 1U);

    auto failing = options("exits_at_once");
    failing.session_id = "failing";
    PythonSession fails(failing);
    CallFuture failed = fails.start_async();
    EXPECT_TRUE(contains(expect_throw<RestartError>([&] { failed.get(); }).what(), "nothing to serve"));
}

TEST_F(Several, AStartThatNobodyWaitsForAnyMoreGoesOn) {
    PythonSession session = gated("test");
    CallFuture started = session.start_async();
    const int closed = gate_.reached();
    started.cancel();
    EXPECT_EQ(expect_throw<RetryError>([&] { started.get(); }).code(), ErrorCode::cancelled);
    EXPECT_TRUE(session.is_alive());
    ::close(closed);
    EXPECT_TRUE(session.wait_until_ready());
}

TEST_F(Several, AreStartedSideBySide) {
    PythonSession one = gated("one");
    PythonSession two = gated("two");
    std::thread opener([&] {
        // Neither comes to its end before both have come to the gate.
        EXPECT_TRUE(eventually([&] { return one.is_alive() && two.is_alive(); }));
        EXPECT_TRUE(eventually([&] {
            const int fd = ::open(gate_.path().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
            if (fd >= 0) ::close(fd);
            return one.is_ready() && two.is_ready();
        }));
    });
    start_all({&one, &two});
    EXPECT_TRUE(one.is_ready());
    EXPECT_TRUE(two.is_ready());
    opener.join();
    start_all({&one, &two});
    EXPECT_EQ(one.stats().epoch, 1U);
}

TEST_F(Several, OneThatCannotBeStartedKeepsNoneFromIt) {
    PythonSession good(options());
    auto broken = options("exits_at_once");
    broken.session_id = "broken";
    auto missing = options("no_such_script");
    missing.session_id = "missing";
    PythonSession ends(broken);
    PythonSession none(missing);
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { start_all({&ends, &none, &good}); }).what(), "does not exist"));
    EXPECT_TRUE(good.is_ready());
    EXPECT_TRUE(contains(expect_throw<RestartError>([&] { start_all({&ends, &good}); }).what(), "nothing to serve"));
    PythonSession late = gated("late");
    EXPECT_TRUE(contains(expect_throw<TimeoutError>([&] { start_all({&late}, 1); }).what(), "not ready yet"));
    EXPECT_TRUE(late.is_alive());
}

TEST_F(Several, AreStoppedSideBySide) {
    std::vector<std::unique_ptr<PythonSession>> sessions;
    std::vector<PythonSession*> all;
    for (const char* id : {"one", "two", "three"}) {
        auto late = options("leaves_late");
        late.environment["TR_TEST_GATE"] = workspace_.path() + "/" + id;
        late.session_id = id;
        all.push_back(sessions.emplace_back(std::make_unique<PythonSession>(late)).get());
    }
    const Gate gates[] = {Gate(workspace_.path() + "/one"), Gate(workspace_.path() + "/two"),
                          Gate(workspace_.path() + "/three")};
    start_all(all);
    std::thread opener([&] {
        // All are leaving before the first of them may.
        const int closed[] = {gates[2].reached(), gates[1].reached(), gates[0].reached()};
        for (const int fd : closed) ::close(fd);
    });
    stop_all(all);
    opener.join();
    for (const auto* session : all) EXPECT_FALSE(session->is_alive());
    for (const auto& gate : gates) fs::remove(gate.path());
}

TEST_F(Several, AtWorkAreEnded) {
    PythonSession session(options());
    PythonSession never = gated("never");
    session.start();
    session.send_request("start_and_wait " + workspace_.path() + "/news");
    ASSERT_TRUE(eventually([&] { return fs::exists(workspace_.path() + "/news"); }));
    stop_all({&session, &never});
    EXPECT_FALSE(session.is_alive());
    session.start();
    EXPECT_EQ(session.fetch_response("echo x"), "x");
}

TEST_F(StartTest, AnInterpreterThatDoesNotExist) {
    auto wrong = options();
    wrong.python = "/no/such/python";
    PythonSession session(wrong);
    const auto error = expect_throw<RestartError>([&] { session.start(); });
    EXPECT_TRUE(contains(error.what(), "'/no/such/python', chosen by SessionOptions::python"));
}

TEST_F(StartTest, AnInterpreterThatCannotRun) {
    auto wrong = options();
    wrong.python = workspace_.path() + "/python";
    std::ofstream(wrong.python) << "this is no program";
    fs::permissions(wrong.python, fs::perms::owner_all);
    PythonSession session(wrong);
    const auto error = expect_throw<RestartError>([&] { session.start(); });
    EXPECT_TRUE(contains(error.what(), "cannot start the worker"));
}

TEST_F(StartTest, WhatIsInheritedAndBreaksTheWorkerIsNamed) {
    const std::string path = workspace_.path() + "/modules";
    fs::create_directory(path);
    std::ofstream(path + "/mine.py") << "import nothing_of_that_name\n";
    std::ofstream(path + "/json.py") << "";
    std::ofstream(path + "/server.py") << "import mine\n";
    std::ofstream(path + "/text.py") << "import json\njson.loads('1')\n";
    std::ofstream(workspace_.path() + "/server.py") << "import mine\n";
    std::ofstream(workspace_.path() + "/linker.py") << "raise ImportError('/lib/x.so: undefined symbol: y')\n";
    struct Case {
        std::string script;
        std::map<std::string, std::string> environment;
        std::string said;
    };
    const std::vector<Case> cases = {
        {workspace_.path() + "/server.py", {{"PYTHONHOME", "/nowhere"}}, "removed_environment = {\"PYTHONHOME\"}"},
        {workspace_.path() + "/server.py", {{"PYTHONPATH", path}}, "removed_environment = {\"PYTHONPATH\"}"},
        {workspace_.path() + "/linker.py", {{"LD_LIBRARY_PATH", path}}, "removed_environment = {\"LD_LIBRARY_PATH\"}"},
        {path + "/text.py", {}, path + "/json.py' hides the module json"},
    };
    for (const auto& [script, environment, said] : cases) {
        auto wrong = options();
        wrong.script = script;
        wrong.environment = environment;
        PythonSession session(wrong);
        const auto error = expect_throw<RestartError>([&] {
            session.start();
            session.wait_until_ready();
        });
        EXPECT_TRUE(contains(error.what(), said)) << error.what();
    }
    auto right = options();
    ::setenv("PYTHONHOME", "/nowhere", 1);
    right.removed_environment = {"PYTHONHOME"};
    PythonSession session(right);
    session.start();
    EXPECT_EQ(session.fetch_response("environment PYTHONHOME"), "(not set)");
    ::unsetenv("PYTHONHOME");
}

TEST_F(StartTest, ALauncherRunsTheInterpreter) {
    auto with = options();
    with.launcher = {"env", "LAUNCHED=yes"};
    with.python_arguments = {"-X", "utf8=0", "-W", "ignore"};
    with.quick_start = true;
    with.preload = {"json"};
    with.restart.attempts = 1;
    PythonSession session(with);
    session.start();
    EXPECT_EQ(session.fetch_response("environment LAUNCHED"), "yes");
    EXPECT_TRUE(contains(session.stats().start, "SessionOptions::launcher takes a process of its own"));
    const auto error = expect_throw<RestartError>([&] { session.fetch_response("kill SIGKILL"); });
    EXPECT_TRUE(contains(error.what(), "while it was at work on request"));
    EXPECT_EQ(session.fetch_response("environment LAUNCHED"), "yes");

    // One that stays beside the worker: its end is that of the worker.
    with.launcher = {"sh", "-c", "\"$@\"; exit 9", "sh"};
    with.session_id = "beside";
    PythonSession beside(with);
    beside.start();
    EXPECT_EQ(beside.fetch_response("echo x"), "x");
    EXPECT_TRUE(contains(expect_throw<RestartError>([&] { beside.fetch_response("kill SIGKILL"); }).what(),
                         "exited with code 9"));
    beside.please_exit();

    with.launcher = {"no_such_program"};
    with.session_id = "none";
    PythonSession none(with);
    EXPECT_TRUE(contains(expect_throw<RestartError>([&] { none.start(); }).what(), "the launcher 'no_such_program'"));
}

TEST_F(StartTest, ArgumentsReachTheScript) {
    for (const bool quick : {false, true}) {
        auto with = options();
        with.quick_start = quick;
        with.preload = {"json"};
        with.session_id = quick ? "quick" : "plain";
        {
            PythonSession without(with);  // to which sys.argv[1] is the id, as to servers of the older bridge
            without.start();
            EXPECT_EQ(without.fetch_response("arguments"), "[]");
        }
        with.arguments = {with.session_id, "--weights", "a b.pt", ""};
        PythonSession session(with);
        session.start();
        EXPECT_EQ(session.fetch_response("arguments"), "['" + with.session_id + "', '--weights', 'a b.pt', '']");
    }
    auto wrong = options();
    wrong.arguments = {std::string("a\0b", 3)};
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { PythonSession session(wrong); }).what(),
                         "SessionOptions::arguments: 'a' is followed by a zero byte"));
}

TEST_F(StartTest, TheEndOfTheLogIsThereToBeShown) {
    PythonSession session(options());
    EXPECT_EQ(session.log_tail(), "");
    session.start();
    session.fetch_response("print first");
    session.fetch_response("print second");
    EXPECT_TRUE(contains(session.log_tail(), "printed: first\nto stderr: first\n")) << session.log_tail();
    const std::string brief = session.log_tail(60);
    EXPECT_LE(brief.size(), 60U);
    EXPECT_TRUE(contains(brief, "to stderr: second\n") && !contains(brief, "first")) << brief;
    session.restart();
    EXPECT_EQ(session.log_tail(), "");  // what another worker has printed
    session.fetch_response("print third");
    session.please_exit();
    EXPECT_TRUE(contains(session.log_tail(), "printed: third\n"));
}

TEST_F(StartTest, NoDebuggerWhereItIsNotInstalled) {
    auto with = options();
    with.debug_port = 45'678;
    with.python_arguments = {"-S", "-s"};
    PythonSession session(with);
    const auto error = expect_throw<RestartError>([&] {
        session.start();
        session.wait_until_ready();
    });
    EXPECT_TRUE(contains(error.what(), "-m pip install debugpy")) << error.what();
    with.debug_port = 70'000;
    PythonSession wrong(with);
    EXPECT_THROW(wrong.start(), InputError);
}

TEST_F(StartTest, NamesThatAreNotUtf8) {
    const std::string base = workspace_.path() + "/\xff\xfe \xe2\x82";
    fs::create_directory(base);
    fs::create_symlink(server("numpy_server"), base + "/server\xff.py");
    for (const WakeUp tier : {WakeUp::futex, WakeUp::inotify, WakeUp::watchdog, WakeUp::polling}) {
        if (!available(tier == WakeUp::watchdog ? WakeUp::inotify : tier)) continue;
        auto odd = options("numpy_server");
        odd.script = base + "/server\xff.py";
        odd.workspace = base + "/w";
        odd.working_directory = base;
        odd.environment = {{"NAME", "\xff"}};
        odd.wake_up = tier;
        odd.keep_on_failure = true;
        odd.quick_start = tier == WakeUp::futex;
        odd.preload = {"numpy"};
        PythonSession session(odd);
        session.start();
        EXPECT_EQ(session.calculate("twice", Tensor::full(Shape(100'000), 2.0)).data<float>()[99'999], 4.0F);
        EXPECT_TRUE(contains(session.session_dir(), base));
        EXPECT_EQ(session.stats().start.find("UTF-8") != std::string::npos, odd.quick_start);
        expect_throw<NotFoundError>([&] { session.calculate("twice nothing"); });
        EXPECT_TRUE(contains(session.stats().kept, base));
        session.restart();
        EXPECT_EQ(session.calculate("twice", Tensor::full(Shape(1), 2.0)).data<float>()[0], 4.0F);
    }
}

TEST_F(StartTest, AWorkingDirectoryThatDoesNotExist) {
    auto wrong = options();
    wrong.working_directory = "/no/such/directory";
    PythonSession session(wrong);
    const auto error = expect_throw<InputError>([&] { session.start(); });
    EXPECT_TRUE(contains(error.what(), "its working directory '/no/such/directory' does not exist"));
}

TEST_F(StartTest, AnInterpreterThatIsNotOnThePath) {
    auto wrong = options();
    wrong.python = "python-of-nobody";
    const auto error = expect_throw<RestartError>([&] { PythonSession(wrong).start(); });
    EXPECT_TRUE(contains(error.what(), "'python-of-nobody', chosen by SessionOptions::python, is no program on $PATH"));
}

TEST_F(StartTest, AnEmptyScript) {
    auto wrong = options();
    wrong.script = "";
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { PythonSession(wrong).start(); }).what(),
                         "neither a script nor a module is named"));
}

TEST_F(StartTest, AWorkingDirectoryThatIsAFile) {
    auto wrong = options();
    wrong.working_directory = wrong.script;
    EXPECT_TRUE(
        contains(expect_throw<InputError>([&] { PythonSession(wrong).start(); }).what(), "is no directory; expected"));
}

TEST_F(StartTest, NamesThatCannotBeInAnEnvironment) {
    for (const char* name : {"", "A=B", "="}) {
        auto wrong = options();
        wrong.environment[name] = "x";
        EXPECT_TRUE(contains(expect_throw<InputError>([&] { PythonSession(wrong).start(); }).what(), "cannot be set"))
            << name;
    }
}

TEST_F(StartTest, AScriptThatNeverCallsRunIsToldTo) {
    auto silent = options();
    silent.script = workspace_.path() + "/server.py";
    std::ofstream(silent.script) << "from tech_renaissance import TechRenaissanceServer\n";
    PythonSession session(silent);
    const auto error = first_error(session);
    EXPECT_TRUE(contains(error.what(), "a server script ends with MyServer().run()"));
}

/// Says what a real one says, on machines that have none.
TEST_F(StartTest, AnInterpreterThatIsTooOldIsNamed) {
    auto old = options();
    old.python = workspace_.path() + "/python";
    std::ofstream(old.python) << "#!/bin/sh\n"
                                 "case \"$*\" in *sys.version_info*) printf 'version 3.4.10'; exit 0;; esac\n"
                                 "echo 'SyntaxError: invalid syntax' >&2; exit 1\n";
    fs::permissions(old.python, fs::perms::owner_all);
    PythonSession session(old);
    const auto error = first_error(session);
    EXPECT_TRUE(contains(error.what(), "Python 3.4.10 at '" + old.python +
                                           "', chosen by SessionOptions::python, is too old: 3.9 or later is needed"));
}

class OldInterpreter : public SessionTest, public testing::WithParamInterface<const char*> {};

TEST_P(OldInterpreter, IsNamed) {
    auto old = options();
    old.python = std::string(std::getenv("HOME")) + "/.pyenv/versions/" + GetParam() + "/bin/python";
    if (!fs::exists(old.python)) GTEST_SKIP() << "no Python " << GetParam() << " on this machine";
    PythonSession session(old);
    const auto error = first_error(session);
    EXPECT_TRUE(contains(error.what(), "Python " + std::string(GetParam()) + " at '" + old.python));
    EXPECT_TRUE(contains(error.what(), "is too old: 3.9 or later is needed"));
}

INSTANTIATE_TEST_SUITE_P(Versions, OldInterpreter, testing::Values("2.7.18", "3.6.15", "3.7.16", "3.8.18"),
                         [](const auto& version) {
                             std::string name = version.param;
                             std::replace(name.begin(), name.end(), '.', '_');
                             return name;
                         });

TEST_F(StartTest, AfterAWorkerWasToldToStopWaitsForItToo) {
    PythonSession session(options());
    session.start();
    session.wait_until_ready();
    session.send_request("start_and_wait " + workspace_.path() + "/news");
    ASSERT_TRUE(eventually([&] { return fs::exists(workspace_.path() + "/news"); }));
    ::kill(static_cast<pid_t>(session.stats().worker_pid), SIGTERM);
    EXPECT_EQ(expect_throw<RetryError>([&] { session.wait_for_response(); }).code(), ErrorCode::cancelled);
    session.start();
    EXPECT_EQ(session.fetch_response("echo on"), "on");
}

// ----------------------------------------------------------------------------------------------------- slow to stop

class SlowStop : public SessionTest {
  protected:
    SessionOptions logged() {
        auto result = options();
        result.log = [this](LogLevel level, const std::string& line) {
            lines_ += to_string(level) + ": " + line + "\n";
        };
        return result;
    }
    std::string lines_;
};

TEST_F(SlowStop, OfAWorkerThatIsDeafToSigtermIsExplained) {
    PythonSession session(logged());
    session.start();
    session.send_request("hold_the_gil " + workspace_.path() + "/news");
    ASSERT_TRUE(eventually([&] { return fs::exists(workspace_.path() + "/news"); }));
    session.terminate();
    EXPECT_TRUE(contains(lines_, "has not ended 500 ms after SIGTERM; it gets SIGKILL after 2000 ms"));
    EXPECT_TRUE(contains(lines_, "is sent SIGKILL"));
}

TEST_F(SlowStop, AStartWaitsForAWorkerThatHasSaidThatItLeaves) {
    const Gate gate(workspace_.path() + "/gate");
    auto late = logged();
    late.script = server("leaves_late");
    late.environment["TR_TEST_GATE"] = gate.path();
    PythonSession session(late);
    session.start();
    session.wait_until_ready();
    const auto first = session.stats().worker_pid;
    session.fetch_response("__exit__");
    EXPECT_TRUE(process_runs(first)) << "it leaves when it may";
    std::thread opener([&] { gate.release(); });
    EXPECT_NO_THROW(session.start());
    opener.join();
    EXPECT_NE(session.stats().worker_pid, first);
    EXPECT_FALSE(contains(lines_, "SIGTERM"));
    std::thread last([&] { gate.release(); });
    session.please_exit();
    last.join();
}

TEST_F(SlowStop, OfAStoppedWorkerIsExplainedAndItEndsByItself) {
    PythonSession session(logged());
    session.start();
    session.wait_until_ready();
    ::kill(static_cast<pid_t>(session.stats().worker_pid), SIGSTOP);
    ASSERT_TRUE(eventually([&] { return session.stats().worker_state == "stopped"; }));
    session.please_exit(1'200);
    EXPECT_TRUE(contains(lines_, "has not left when asked to, as it is stopped (SIGSTOP); it is terminated in "));
    EXPECT_FALSE(contains(lines_, "SIGKILL"));
    EXPECT_TRUE(contains(lines_, "exited with code 0"));
}

TEST_F(StartTest, ALogCallbackThatThrowsEndsNothing) {
    auto logged = options();
    logged.log = [](LogLevel, const std::string&) { throw 42; };
    {
        PythonSession session(logged);
        session.start();
        EXPECT_EQ(session.fetch_response("echo x"), "x");
    }
    EXPECT_FALSE(fs::exists(workspace_.path() + "/python_session/tr_session_test"));
}

TEST_F(StartTest, AMovedFromSessionSaysSo) {
    PythonSession session(options());
    const PythonSession other(std::move(session));
    const auto error = expect_throw<InputError>([&] { session.start(); });
    EXPECT_TRUE(contains(error.what(), "has been moved from"));
    EXPECT_THROW(session.is_alive(), InputError);
    EXPECT_THROW(session.session_id(), InputError);
}

}  // namespace
}  // namespace tr::test
