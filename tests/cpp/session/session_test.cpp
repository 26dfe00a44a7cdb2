// Requests, answers and the life of a session, as its users see them.
#include <signal.h>

#include "support.h"

namespace tr::test {
namespace {

TEST_F(SessionTest, DefaultServerSaysHello) {
    PythonSession session(options("default"));
    session.start();
    EXPECT_TRUE(contains(session.fetch_response("hello"), "Hello"));
}

TEST_F(SessionTest, ARequestMayBeSentBeforeTheWorkerIsReady) {
    PythonSession session(options());
    session.start();
    EXPECT_EQ(session.fetch_response("echo early"), "early");
    EXPECT_TRUE(session.is_ready());
}

TEST_F(SessionTest, AWorkerThatIsAskedToExitExitsWithoutAnError) {
    auto logged = options();
    std::string log;
    logged.log = [&log](LogLevel, const std::string& line) { log += line + '\n'; };
    PythonSession session(logged);
    session.start();
    EXPECT_EQ(session.fetch_response("echo first"), "first");
    session.please_exit();
    EXPECT_TRUE(contains(log, "exited with code 0"));
}

TEST_F(SessionTest, TextComesBackUnchanged) {
    PythonSession session(options());
    session.start();
    for (const std::string text :
         {"plain", "with \"quotes\"", "back\\slashes \\n", "h\xc3\xa9llo \xe2\x9c\x93 \xf0\x9f\xa6\x8a",
          "line\nbreaks\tand tabs", "{\"json\": [1, 2]}", "$(touch x) `id` ; |"})
        EXPECT_EQ(session.fetch_response("echo " + text), text);
    const std::string large(1 << 20, 'x');
    EXPECT_EQ(session.fetch_response("echo " + large), large);
}

TEST_F(SessionTest, JsonRequestsAreSentAsSuch) {
    PythonSession session(options());
    session.start();
    EXPECT_EQ(session.fetch_response(R"({"command": "echo", "parameters": "new", "id": 5})"), "new");
    EXPECT_EQ(session.fetch_response(R"({"cmd": "echo", "params": "older", "extra": 1})"), "older");
    EXPECT_EQ(session.fetch_response(R"({"command": "echo", "parameters": {"lr": 0.5, "of": ["a", null]}})"),
              R"({"lr":0.5,"of":["a",null]})");
    const auto error =
        expect_throw<InputError>([&] { session.fetch_response(R"({"command": "echo", "paramters": "lost"})"); });
    EXPECT_TRUE(contains(error.what(), "there is no member 'paramters': did you mean 'parameters'?"));
}

TEST_F(SessionTest, TextMayHoldAnyBytes) {
    std::string any;
    for (int byte = 1; byte < 256; ++byte) any += static_cast<char>(byte);
    for (const WakeUp tier : {WakeUp::futex, WakeUp::inotify}) {
        if (!available(tier)) continue;
        auto chosen = options();
        chosen.wake_up = tier;
        PythonSession session(chosen);
        session.start();
        EXPECT_EQ(session.fetch_response("echo " + any), any);
        EXPECT_EQ(session.fetch_response("echo   def f():\n"), "  def f():\n");
        EXPECT_EQ(session.fetch_response("echo fine"), "fine");
    }
}

TEST_F(SessionTest, AnAnswerIsReadOnce) {
    PythonSession session(options());
    session.start();
    EXPECT_FALSE(session.new_response());
    EXPECT_THROW(session.read_response(), InputError);
    session.send_request("echo once");
    session.wait_until_ok();
    EXPECT_TRUE(session.new_response());
    EXPECT_FALSE(session.is_busy());
    EXPECT_EQ(session.read_response(), "once");
    EXPECT_FALSE(session.new_response());
    EXPECT_THROW(session.wait_for_response(), InputError);
}

TEST_F(SessionTest, WhoAsksForAnAnswerAgainAndAgainHearsOfTheWorkersDeath) {
    PythonSession session(options());
    session.start();
    session.send_request("kill SIGKILL");
    while (!session.new_response()) std::this_thread::yield();
    EXPECT_THROW(session.read_response(), RestartError);
    EXPECT_FALSE(session.new_response()) << "it has been told";
    session.start();
    EXPECT_FALSE(session.new_response());
    EXPECT_EQ(session.fetch_response("echo again"), "again");
}

TEST_F(SessionTest, AWorkerThatHasEndedIsNotReady) {
    PythonSession session(options());
    session.start();
    EXPECT_TRUE(session.wait_until_ready());
    EXPECT_THROW(session.fetch_response("kill SIGKILL"), RestartError);
    EXPECT_THROW(session.wait_until_ready(10'000), RestartError);
    session.start();
    EXPECT_TRUE(session.wait_until_ready());
    session.terminate();
    EXPECT_THROW(session.wait_until_ready(10'000), RestartError);
}

TEST_F(SessionTest, AnAnswerThatNobodyReadIsDroppedByTheNextRequest) {
    PythonSession session(options());
    session.start();
    session.send_request("echo unread");
    session.send_request("echo read");
    EXPECT_EQ(session.wait_for_response(), "read");
}

TEST_F(SessionTest, ASecondAnswerToOneRequestShiftsNothing) {
    PythonSession session(options());
    session.start();
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(session.fetch_response("answer_twice"), "first");
        EXPECT_EQ(session.fetch_response("echo " + std::to_string(i)), std::to_string(i));
    }
}

TEST_F(SessionTest, PrintsLandInTheLogAndHarmNothing) {
    PythonSession session(options());
    session.start();
    session.fetch_response("print some words");
    const std::string log = read_text(session.session_dir() + "/worker.log");
    EXPECT_TRUE(contains(log, "printed: some words"));
    EXPECT_TRUE(contains(log, "to stderr: some words"));
    EXPECT_TRUE(contains(log, "raw bytes to descriptor 1"));
}

TEST_F(SessionTest, FilesSettleBeforeTheAnswerIsSeen) {
    TR_SKIP_UNLESS_AVAILABLE(WakeUp::inotify);
    auto with_files = options();
    with_files.wake_up = WakeUp::inotify;
    PythonSession session(with_files);
    session.start();
    for (int i = 0; i < 200; ++i) {
        session.send_request("echo x");
        session.wait_until_ok();
        EXPECT_FALSE(fs::exists(session.session_dir() + "/request.json"));
        EXPECT_EQ(read_text(session.session_dir() + "/status.txt"), "ok");
        session.read_response();
        EXPECT_FALSE(fs::exists(session.session_dir() + "/response.json"));
    }
}

TEST_F(SessionTest, TheDirectoryIsPrivateAndGoesWithTheSession) {
    std::string directory;
    std::int64_t worker = 0;
    {
        const auto before = ::umask(0);
        PythonSession session(options());
        session.start();
        session.fetch_response("echo x");
        ::umask(before);
        directory = session.session_dir();
        worker = session.stats().worker_pid;
        EXPECT_EQ(directory, workspace_.path() + "/python_session/tr_session_test");
        for (const auto& entry : fs::recursive_directory_iterator(workspace_.path()))
            EXPECT_EQ(fs::status(entry).permissions() & (fs::perms::group_all | fs::perms::others_all), fs::perms::none)
                << entry.path();
    }
    EXPECT_FALSE(fs::exists(directory));
    EXPECT_FALSE(process_runs(worker));
}

TEST_F(SessionTest, TheWorkerGetsItsArgumentsItsEnvironmentAndItsDirectory) {
    auto special = options();
    special.arguments = {"one", "and another"};
    special.environment = {{"GREETING", "good day"}};
    special.working_directory = workspace_.path();
    PythonSession session(special);
    session.start();
    EXPECT_EQ(session.fetch_response("arguments"), "['one', 'and another']");
    EXPECT_EQ(session.fetch_response("environment GREETING"), "good day");
    EXPECT_EQ(session.fetch_response("working_directory"), workspace_.path());
}

TEST_F(SessionTest, AStartLeavesTheHostsSignalsAloneAndTheWorkerIgnoresNone) {
    // The new process borrows the host's memory until it runs its program.
    const auto handler = [](int) {};
    const auto before_usr1 = ::signal(SIGUSR1, SIG_IGN);
    const auto before_usr2 = ::signal(SIGUSR2, handler);
    PythonSession session(options());
    session.start();
    session.wait_until_ready();
    EXPECT_EQ(::signal(SIGUSR1, before_usr1), SIG_IGN);
    EXPECT_EQ(::signal(SIGUSR2, before_usr2), static_cast<void (*)(int)>(handler));
    const std::string state = read_text("/proc/" + std::to_string(session.stats().worker_pid) + "/status");
    const std::string label = "SigIgn:\t";
    const auto field = state.find(label);
    ASSERT_NE(field, std::string::npos);
    EXPECT_EQ(std::stoull(state.substr(field + label.size(), 16), nullptr, 16) >> (SIGUSR1 - 1) & 1, 0U);
}

TEST_F(SessionTest, AModuleMayBeTheServer) {
    auto by_module = options();
    by_module.script = "default";
    by_module.module = "text_server";
    by_module.environment = {{"PYTHONPATH", fs::path(server("text_server")).parent_path().string()}};
    PythonSession session(by_module);
    session.start();
    EXPECT_EQ(session.fetch_response("echo module"), "module");
}

TEST_F(SessionTest, ExitsWhenAskedAndStartsAgain) {
    PythonSession session(options());
    session.start();
    const std::string first = session.fetch_response("pid");
    session.please_exit();
    EXPECT_FALSE(session.is_alive());
    EXPECT_THROW(session.fetch_response("echo x"), RestartError);
    session.start();
    EXPECT_NE(session.fetch_response("pid"), first);
    EXPECT_EQ(session.stats().epoch, 2U);
    session.start();  // it runs
    EXPECT_EQ(session.stats().epoch, 2U);
}

TEST_F(SessionTest, ABusyWorkerThatIgnoresTheRequestToExitIsTerminated) {
    PythonSession session(options());
    session.start();
    session.fetch_response("ignore_sigterm");
    const Gate gate(workspace_.path() + "/gate");
    session.send_request(gate.command());
    EXPECT_THROW(session.please_exit(50, false), TimeoutError);
    EXPECT_TRUE(session.is_alive());
    session.please_exit(50, true);
    EXPECT_FALSE(session.is_alive());
}

TEST_F(SessionTest, JoinWaitsForTheWorkersOwnEnd) {
    PythonSession session(options());
    session.start();
    session.send_request("exit 0");
    session.join();
    EXPECT_FALSE(session.is_alive());
}

TEST_F(SessionTest, SessionsMove) {
    PythonSession session(options());
    session.start();
    PythonSession moved(std::move(session));
    EXPECT_EQ(moved.fetch_response("echo moved"), "moved");
}

TEST_F(SessionTest, LogLinesGoToTheCallback) {
    auto logged = options();
    std::string lines;
    logged.log = [&lines](LogLevel, const std::string& line) { lines += line + "\n"; };
    PythonSession session(logged);
    session.start();
    session.wait_until_ready();
    EXPECT_TRUE(contains(lines, session.session_dir()));
    EXPECT_TRUE(contains(lines, "/usr/bin/python3 (SessionOptions::python)"));
    EXPECT_TRUE(contains(lines, "worker ready"));
}

TEST_F(SessionTest, TheLogCallbackMayAskTheSession) {
    auto logged = options();
    PythonSession* asked = nullptr;
    int answers = 0;
    logged.log = [&](LogLevel, const std::string&) {
        if (asked != nullptr && !asked->stats().python.empty() && !asked->session_dir().empty()) ++answers;
    };
    PythonSession session(logged);
    asked = &session;
    session.start();
    session.fetch_response("echo x");
    session.please_exit();
    asked = nullptr;
    EXPECT_GE(answers, 3);
}

TEST_F(SessionTest, StatsTellWhatIsInUse) {
    TR_SKIP_UNLESS_AVAILABLE(WakeUp::futex);
    auto with_numpy = options("recovery_server");
    with_numpy.python = TR_TEST_PYTHON;
    PythonSession session(with_numpy);
    session.start();
    const auto begin = std::chrono::steady_clock::now();
    const std::string pid = session.fetch_response("pid");
    session.calculate("sum", Tensor::ones(Shape(50)));
    expect_throw<NotFoundError>([&] { session.fetch_response("nonsense"); });
    const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - begin;
    const auto stats = session.stats();
    EXPECT_EQ(stats.carrier, "mailbox");
    EXPECT_EQ(stats.host_wake_up, "futex");
    EXPECT_EQ(stats.worker_wake_up, "futex");
    // A program with the library in it, or with a sanitizer's, has none that a worker could load.
    if (stats.worker_mailbox != "library") {
        EXPECT_EQ(stats.worker_mailbox, "python");
        EXPECT_TRUE(contains(stats.fallback, "$TR_LIBRARY is empty"));
        EXPECT_EQ(std::getenv("TR_LIBRARY"), nullptr) << "as ctest says";
    } else {
        EXPECT_EQ(stats.fallback, "");
    }
    EXPECT_EQ(stats.start, "plain");
    EXPECT_EQ(stats.python, TR_TEST_PYTHON);
    EXPECT_EQ(std::to_string(stats.worker_pid), pid);
    EXPECT_EQ(stats.epoch, 1U);
    EXPECT_EQ(stats.requests, 3U);
    EXPECT_EQ(stats.responses, 3U);
    EXPECT_EQ(stats.failures, 1U);
    EXPECT_EQ(stats.bytes_sent, 50 * sizeof(float));
    EXPECT_EQ(stats.bytes_received, 20'000 * sizeof(float));
    EXPECT_GT(stats.last_round_trip_us, 0);
    EXPECT_LT(stats.last_round_trip_us, taken.count());
}

TEST_F(SessionTest, AWorkerThatCannotLoadTheLibraryDoesWithoutAndSaysWhy) {
    const std::string broken = workspace_.path() + "/broken.so";
    std::ofstream(broken) << "no library";
    const std::pair<std::string, std::string> libraries[] = {
        {broken, "broken.so cannot be loaded"}, {"/nowhere/at/all.so", "all.so cannot be loaded"}, {"", "is empty"}};
    for (const auto& [path, reason] : libraries) {
        auto without = options("numpy_server");
        without.python = TR_TEST_PYTHON;
        without.environment["TR_LIBRARY"] = path;
        PythonSession session(without);
        session.start();
        const Tensor tensor = Tensor::arange(100'000);
        EXPECT_TRUE(session.calculate("echo", tensor).equal(tensor));
        const auto stats = session.stats();
        EXPECT_EQ(stats.carrier, "mailbox");
        EXPECT_EQ(stats.worker_mailbox, "python");
        EXPECT_TRUE(contains(stats.fallback, reason)) << stats.fallback;
    }
}

TEST_F(SessionTest, WaitsMaySleepAtOnceOrLookForLong) {
    for (const std::int64_t busy_wait_us : {0, 1, 500}) {
        auto looking = options("numpy_server");
        looking.busy_wait_us = busy_wait_us;
        looking.python = TR_TEST_PYTHON;
        PythonSession session(looking);
        session.start();
        const Tensor tensor = Tensor::arange(100);
        for (int i = 0; i < 200; ++i) ASSERT_TRUE(session.calculate("echo", tensor).equal(tensor));
        EXPECT_EQ(session.fetch_response("environment TR_BUSY_WAIT_US"), std::to_string(busy_wait_us));
    }
    ::setenv("TR_BUSY_WAIT_US", "for ever", 1);
    PythonSession session(options("numpy_server"));
    const auto error = expect_throw<InputError>([&] { session.start(); });
    ::unsetenv("TR_BUSY_WAIT_US");
    EXPECT_TRUE(contains(error.what(), "$TR_BUSY_WAIT_US is 'for ever': expected microseconds"));
}

TEST_F(SessionTest, AnOlderWorkerIsUnderstood) {
    auto older = options("older_server");
    older.environment = {{"OLDER_WORKSPACE", workspace_.path()}};
    PythonSession session(older);
    session.start();
    EXPECT_EQ(session.fetch_response("greet you"), "greet got you");
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(session.fetch_response("count " + std::to_string(i)), "count got " + std::to_string(i));
    const Tensor tensor = Tensor::arange(12).reshape(Shape(3, 4));
    session.send_tensor(tensor, "x");
    EXPECT_TRUE(session.fetch_tensor("copy x").equal(tensor));
}

TEST_F(SessionTest, AWorkerOnTheOlderModuleIsUnderstood) {
    auto older = options("older_module");
    older.environment = {{"OLDER_WORKSPACE", workspace_.path()}};
    PythonSession session(older);
    session.start();
    for (int i = 0; i < 5; ++i) {
        // Each further answer would be taken for the one to the next request.
        const std::string text = "text " + std::to_string(i);
        EXPECT_EQ(session.fetch_response("times " + std::to_string(1 + i % 4) + " " + text), text);
    }
    EXPECT_EQ(session.fetch_response("echo next"), "next");
    EXPECT_EQ(session.fetch_response("path"), "C:\\Users\\me said \"hi\"\nand left");
    const Tensor tensor = Tensor::arange(12).reshape(Shape(3, 4));
    EXPECT_TRUE(session.calculate("copy", tensor).equal(tensor));
    EXPECT_TRUE(session.calculate("copy_unsaid", tensor).equal(tensor));
    EXPECT_EQ(session.fetch_response("times 2 words"), "words");
    const auto error = expect_throw<InputError>([&] { session.fetch_tensor("echo words"); });
    EXPECT_TRUE(contains(error.what(), "answered without a tensor, with the text 'words'"));
    session.send_request(R"({"cmd": "exit"})");
    session.join();
    EXPECT_FALSE(session.is_alive());
    session.start();
    EXPECT_EQ(session.fetch_response("echo again"), "again");
    const auto left = expect_throw<RestartError>([&] { session.fetch_response("leave"); });
    EXPECT_TRUE(contains(left.what(), "ends so when it does not know a command")) << left.what();
}

TEST_F(SessionTest, TheOlderSpellingGetsTheTensorsOfItsOwnAnswer) {
    auto with_numpy = options("numpy_server");
    with_numpy.python = TR_TEST_PYTHON;
    PythonSession session(with_numpy);
    session.start();
    // What lies under the tags of the session by name is that of a request before.
    const Tensor seven = Tensor::ones(Shape(7));
    const Tensor one = Tensor::ones(Shape());
    for (const auto& tensor : {seven, seven, one, one}) session.calculate("add", tensor, tensor);
    for (int i = 0; i < 3; ++i) {
        const Tensor left = Tensor::full(Shape(4, 3), 1.5f);
        session.send_tensor(left, "left");
        session.send_tensor(left, "right");
        const Tensor sum = session.fetch_tensor(R"({"cmd": "add", "params": "left,right"})");
        EXPECT_TRUE(sum.equal(Tensor::full(Shape(4, 3), 3))) << sum.shape().to_string();
    }
}

using EachTier = TierTest;

TEST_P(EachTier, AnswersAndSaysWhichItIs) {
    PythonSession session(tier_options("numpy_server"));
    session.start();
    const Tensor tensor = Tensor::arange(100'000);
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(session.calculate("echo", tensor).equal(tensor));
    const auto stats = session.stats();
    EXPECT_EQ(stats.worker_wake_up, to_string(GetParam()));
    // Watchdog is Python's; the host takes the best it has for files then.
    const char* const best = available(WakeUp::inotify) ? "inotify" : "polling";
    EXPECT_EQ(stats.host_wake_up, GetParam() == WakeUp::watchdog ? best : to_string(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(Tiers, EachTier, testing::Values(WakeUp::inotify, WakeUp::watchdog, WakeUp::polling),
                         tier_name);

}  // namespace
}  // namespace tr::test
