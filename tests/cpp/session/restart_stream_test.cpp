// restart() and the policy where a stream is open, from the log callback, and with odd values.
#include <atomic>
#include <cstdint>
#include <thread>

#include "restart_support.h"

namespace tr::test {
namespace {

class RestartStreamTest : public RestartSupport {
  protected:
    static constexpr const char* kEndless = "frames 1000000";
};

void expect_ended(TensorStream& stream) {
    try {
        while (stream.next().has_value()) {
        }
        ADD_FAILURE() << "the stream looks complete";
    } catch (const RestartError&) {
        // as a death does
    } catch (const RetryError& error) {
        EXPECT_EQ(error.code(), ErrorCode::cancelled);
    }
    EXPECT_FALSE(stream.next().has_value());
}

// ------------------------------------------------------------------------------------------------------ open streams

TEST_P(RestartStreamTest, RestartTakesTheTurnFromAStreamOfTheSameThread) {
    PythonSession session(restarting());
    session.restart();
    auto stream = session.stream(kEndless);
    const Tensor first = *stream.next();
    session.restart();
    EXPECT_TRUE(session.is_ready());
    EXPECT_EQ(session.fetch_response("echo up"), "up");  // while the stream still stands
    expect_ended(stream);
    EXPECT_EQ(first.data<float>()[0], 0);
    EXPECT_EQ(session.fetch_response("echo on"), "on");
}

TEST_P(RestartStreamTest, RestartTakesTheTurnFromAStreamOfAnotherThread) {
    PythonSession session(restarting());
    session.restart();
    auto stream = session.stream(kEndless);
    EXPECT_TRUE(stream.next().has_value());
    std::thread([&] { session.restart(); }).join();
    expect_ended(stream);
    EXPECT_EQ(session.fetch_response("echo on"), "on");
}

TEST_P(RestartStreamTest, RestartEndsAStreamThatIsRead) {
    PythonSession session(restarting());
    session.restart();
    std::atomic<int> read{0};
    std::thread reader([&] {
        auto stream = session.stream(kEndless);
        while (read < 5) read += stream.next().has_value() ? 1 : 0;
        expect_ended(stream);
    });
    EXPECT_TRUE(eventually([&] { return read == 5; }));
    session.restart();
    reader.join();
    EXPECT_EQ(session.fetch_response("echo on"), "on");
}

TEST_P(RestartStreamTest, AStreamThatWasEndedIsHarmless) {
    PythonSession session(restarting());
    session.restart();
    for (const bool cancelled : {true, false}) {
        auto stream = session.stream(kEndless);
        EXPECT_TRUE(stream.next().has_value());
        session.restart();
        auto other = session.stream("frames 3");
        EXPECT_EQ(other.next()->data<float>()[0], 0);
        if (cancelled) stream.cancel();
        {
            const TensorStream gone(std::move(stream));
        }
        EXPECT_EQ(other.next()->data<float>()[0], 1);
        EXPECT_EQ(other.next()->data<float>()[0], 2);
        EXPECT_FALSE(other.next().has_value());
    }
}

TEST_P(RestartStreamTest, AStreamOfADeadWorkerHoldsNobodyUp) {
    PythonSession session(restarting());
    session.restart();
    {
        auto stream = session.stream(kEndless);
        EXPECT_TRUE(stream.next().has_value());
        kill_worker(session);
        session.restart();
        expect_ended(stream);
    }
    auto stream = session.stream(kEndless);
    EXPECT_TRUE(stream.next().has_value());
    session.terminate();
    session.start();
    EXPECT_EQ(session.fetch_response("echo on"), "on");
    expect_ended(stream);
}

TEST_P(RestartStreamTest, ALoopRecovers) {
    PythonSession session(restarting());
    session.restart();
    int frames = 0;
    for (int attempt = 0; attempt < 2; ++attempt) {
        try {
            frames = 0;
            for (const Tensor& frame : session.stream(attempt == 0 ? "frames_and_kill 3" : "frames 3"))
                EXPECT_EQ(frame.data<float>()[0], frames++);
        } catch (const RestartError&) {
            EXPECT_EQ(attempt, 0);
            session.restart();
        }
    }
    EXPECT_EQ(frames, 3);
}

TEST_P(RestartStreamTest, AFailedRestartLeavesThePolicyAlive) {
    auto broken = restarting(1);
    broken.script = workspace_.path() + "/server.py";
    fs::copy_file(server("recovery_server"), broken.script);
    PythonSession session(broken);
    session.restart();
    auto stream = session.stream(kEndless);
    EXPECT_TRUE(stream.next().has_value());
    std::ofstream(broken.script) << "raise SystemExit(3)";
    EXPECT_THROW(session.restart(), RestartError);
    fs::copy_file(server("recovery_server"), broken.script, fs::copy_options::overwrite_existing);
    EXPECT_EQ(session.fetch_response("echo x"), "x");
    expect_ended(stream);
}

TEST_P(RestartStreamTest, APartIsNoAnswerForTheQuarantine) {
    PythonSession session(restarting(1));
    session.restart();
    const auto read_all = [&] {
        for (const Tensor& frame : session.stream("frames_and_kill 2")) EXPECT_EQ(frame.numel(), 20'000);
    };
    for (int i = 0; i < 3; ++i) EXPECT_THROW(read_all(), RestartError);
    EXPECT_EQ(session.stats().quarantined, std::vector<std::string>{"frames_and_kill 2"});
    EXPECT_EQ(expect_throw<InputError>(read_all).code(), ErrorCode::permission_denied);
}

// -------------------------------------------------------------------------------------------------- the log callback

TEST_P(RestartStreamTest, CallsInTheLogCallbackWorkOrAreRefused) {
    PythonSession* session = nullptr;
    std::vector<std::string> refused;
    std::string state;
    int depth = 0;
    auto logged = restarting();
    logged.log = [&](LogLevel, const std::string&) {
        EXPECT_EQ(++depth, 1);
        if (session != nullptr && refused.empty()) {
            const std::function<void()> calls[] = {[&] { session->restart(); }, [&] { session->start(); },
                                                   [&] { session->fetch_response("echo x"); }, [&] { session->join(); },
                                                   [&] { session->please_exit(); }};
            for (const auto& call : calls) refused.emplace_back(expect_throw<InputError>(call).what());
            state = session->stats().worker_state;
            session->set_quiet_mode(true);
            session->terminate();
        }
        --depth;
    };
    PythonSession made(logged);
    made.restart();
    session = &made;
    EXPECT_TRUE(contains(expect_throw<RestartError>([&] { made.restart(); }).what(), "terminate()"));
    ASSERT_EQ(refused.size(), 5U);
    for (const auto& text : refused) EXPECT_TRUE(contains(text, "in the log callback"));
    EXPECT_FALSE(state.empty());
    made.restart();
    EXPECT_EQ(made.fetch_response("echo x"), "x");
}

TEST_P(RestartStreamTest, ALogCallbackHoldsUpNoOtherThread) {
    std::atomic<bool> inside{false};
    std::atomic<bool> leave{false};
    std::atomic<int> lines{0};
    auto logged = restarting();
    logged.log = [&](LogLevel, const std::string&) {
        if (++lines != 1) return;
        inside = true;
        EXPECT_TRUE(eventually([&] { return leave.load(); }));
    };
    PythonSession session(logged);
    std::thread first([&] { expect_throw<RestartError>([&] { session.start(); }); });
    EXPECT_TRUE(eventually([&] { return inside.load(); }));
    std::thread second([&] {
        session.terminate();  // ends that start
        session.set_quiet_mode(true);
        leave = true;
    });
    second.join();
    first.join();
    session.restart();
    EXPECT_EQ(session.fetch_response("echo x"), "x");
    EXPECT_GE(lines, 3);
}

// ----------------------------------------------------------------------------------------------- values and messages

TEST_P(RestartStreamTest, NegativeValuesAreRefusedByName) {
    const std::pair<const char*, std::function<void(SessionOptions&)>> fields[] = {
        {"RestartPolicy::attempts is -1", [](auto& all) { all.restart.attempts = -1; }},
        {"RestartPolicy::backoff_ms is -5", [](auto& all) { all.restart.backoff_ms = -5; }},
        {"RestartPolicy::max_backoff_ms is -1", [](auto& all) { all.restart.max_backoff_ms = -1; }},
        {"RestartPolicy::quarantine_after is -1", [](auto& all) { all.restart.quarantine_after = -1; }},
        {"SessionOptions::start_timeout_ms is -1", [](auto& all) { all.start_timeout_ms = -1; }},
        {"SessionOptions::default_timeout_ms is -1", [](auto& all) { all.default_timeout_ms = -1; }},
    };
    for (const auto& [text, change] : fields) {
        auto odd = restarting();
        change(odd);
        EXPECT_TRUE(contains(expect_throw<InputError>([&] { PythonSession session(odd); }).what(), text));
    }
}

TEST_P(RestartStreamTest, AHugePauseIsNamedWhereItDoesNotFit) {
    auto patient = restarting(5, {"*"});
    patient.restart.backoff_ms = patient.restart.max_backoff_ms = INT64_MAX;
    patient.restart.quarantine_after = 0;
    PythonSession session(patient);
    session.restart();
    const auto error = expect_throw<RestartError>([&] { session.fetch_response("kill", 10'000); });
    EXPECT_TRUE(error.may_retry());
    EXPECT_EQ(session.stats().epoch, 2U);
    EXPECT_TRUE(contains(error.what(), "was killed by signal 9"));
    EXPECT_TRUE(contains(error.what(), "another one is not started for "));
    EXPECT_TRUE(contains(error.what(), "the limit of this call is shorter"));
    EXPECT_TRUE(contains(error.what(), "RestartPolicy::backoff_ms"));
    EXPECT_FALSE(contains(error.what(), "while it was at work"));
}

TEST_P(RestartStreamTest, TheLimitOfTheStartIsNamed) {
    auto slow = options("slow_to_import");
    slow.wake_up = GetParam();
    const Gate gate(workspace_.path() + "/gate");
    slow.environment["TR_TEST_GATE"] = workspace_.path() + "/gate";
    slow.start_timeout_ms = 50;
    PythonSession session(slow);
    session.start();
    const auto error = expect_throw<TimeoutError>([&] { session.fetch_response("echo x", 10'000); });
    EXPECT_TRUE(contains(error.what(), "SessionOptions::start_timeout_ms, 50 ms, passed"));
    EXPECT_TRUE(contains(error.what(), "its imports and on_start may take longer"));
    EXPECT_FALSE(contains(error.what(), "the time limit passed"));
}

INSTANTIATE_TEST_SUITE_P(Tiers, RestartStreamTest, testing::Values(WakeUp::futex, WakeUp::inotify), tier_name);

}  // namespace
}  // namespace tr::test
