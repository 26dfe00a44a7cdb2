// A worker that keeps no rule of the protocol: each time a clear error, and never a crash, a hang, or a look at what
// lies outside of the session directory.
#include <map>

#include "support.h"

namespace tr::test {
namespace {

constexpr const char* kSecret = "secret outside of the session";

class HostileWorkerTest : public TierTest {
  protected:
    void SetUp() override {
        TierTest::SetUp();
        if (IsSkipped()) return;
        write_tsr(Tensor::full(Shape(10'000), 42.0), canary_);
        std::ofstream(text_canary_) << R"({"command":"c","result":")" << kSecret << "\"}";
        begin(tier_options("evil_server"));
    }
    void expect_served() { EXPECT_EQ(session_->fetch_response("echo still here"), "still here"); }
    std::string refused(const std::string& message) {
        const std::string text = expect_throw<InputError>([&] { session_->fetch_response(message); }).what();
        EXPECT_FALSE(contains(text, kSecret)) << message;
        expect_served();
        return text;
    }
    /// The error of what comes next, and that the session can be started again.
    void expect_restart(const std::function<void()>& call,
                        const std::string& part = "was cut short while it was mapped") {
        EXPECT_TRUE(contains(expect_throw<RestartError>(call).what(), part));
        EXPECT_FALSE(session_->is_alive());
        session_->start();
        session_->wait_until_ready();
        expect_served();
    }

    const std::string canary_ = workspace_.path() + "/canary.tsr";
    const std::string text_canary_ = workspace_.path() + "/canary.json";
};

TEST_P(HostileWorkerTest, AnswersThatAreNone) {
    const std::map<std::string, std::string> answers{
        {"raw no JSON", "not JSON"},
        {"raw []", "expected a JSON object"},
        {"raw {\"id\":$id,\"command\":\"c\"", "not JSON"},
        {"raw {\"id\":\"$id\"}", "expected a whole number in 'id'"},
        {"raw {\"id\":-1}", "expected a whole number in 'id'"},
        {"raw {\"id\":$id,\"command\":5}", "expected text in 'command'"},
        {"raw {\"id\":$id,\"error\":\"x\"}", "expected an object in 'error'"},
        {"raw {\"id\":$id,\"tensors\":\"a\"}", "expected a list in 'tensors'"},
        {"raw {\"id\":$id,\"command\":\"c\",\"tensors\":[\"../../../canary\"]}", "is not a tensor tag"},
        {"raw {\"id\":$id,\"command\":\"c\",\"tensors\":[\".host-0\"]}", "is not a tensor tag"},
        {"raw {\"id\":$id,\"command\":\"c\",\"tensors\":[\"a/b\"]}", "is not a tensor tag"},
        {"raw_large 1000", "nested more than 64 deep"},
        {"raw_large 10000000", "nested more than 64 deep"},
        {"raw_large 70000000", ""},  // more than a message may have
    };
    for (const auto& [message, part] : answers) EXPECT_TRUE(contains(refused(message), part)) << message;
}

TEST_P(HostileWorkerTest, AThousandTagsOfNoTensor) {
    expect_throw<NotFoundError>([&] { session_->fetch_response("many_tags 1000"); });
    expect_served();
}

TEST_P(HostileWorkerTest, AnswersThatAreNoFile) {
    for (const std::string kind : {"link", "hard_link", "fifo", "directory", "device", "huge"})
        if (kind != "device" || ::geteuid() == 0) refused("response_is " + kind + " " + text_canary_);
}

TEST_P(HostileWorkerTest, TensorsThatAreNoFile) {
    for (const std::string kind : {"link", "fifo", "directory", "device", "huge"})
        if (kind != "device" || ::geteuid() == 0) refused("tensor_is " + kind + " " + canary_);
}

TEST_P(HostileWorkerTest, TensorsThatLieAboutTheirSize) {
    const std::map<std::string, std::string> files{
        {"tensor_says 4096 4096 10 8", "cut short"},
        {"tensor_says 4611686018427387904 4611686018427387904 10 8", "cut short"},
        {"tensor_says 0 4294967296x4294967296 0 8", "dims"},
        {"tensor_says 10 -10 10 8", "dim 0"},
        {"tensor_says 10 10 20 8", "bytes after the data"},
        {"tensor_says 10 10 10 99", "dtype"},
        {"tensor_says 100000 100000 100000 10", "BOOL"},
        {"tensor_says 10 10 10 10", "BOOL"},
    };
    for (const auto& [message, part] : files) EXPECT_TRUE(contains(refused(message), part)) << message;
}

TEST_P(HostileWorkerTest, AnswersThatNobodyAskedFor) {
    EXPECT_EQ(session_->fetch_response("unasked mine"), "mine");
    EXPECT_EQ(session_->fetch_response("when_read still here"), "still here");
    expect_served();
}

TEST_P(HostileWorkerTest, LeasesThatAreScribbledOver) {
    if (session_->stats().carrier != "mailbox") GTEST_SKIP() << "there are no leases";
    for (const char* byte : {"255", "0", "1"}) {
        session_->fetch_response(std::string("scribble_leases ") + byte);
        for (int i = 0; i < 3; ++i) {
            session_->send_tensor(Tensor::full(Shape(10'000), i), "a");
            session_->send_tensor(Tensor::full(Shape(10), i), "b");
            EXPECT_EQ(session_->fetch_tensor("result 10000").data<double>()[9'999], 7.0);
        }
    }
    expect_served();
}

TEST_P(HostileWorkerTest, ALengthBeyondTheSlot) {
    if (session_->stats().carrier != "mailbox") GTEST_SKIP() << "there is no slot";
    const auto error =
        expect_throw<InputError>([&] { session_->fetch_response("scribble_line 9 77 4294967295 0", 5'000); });
    EXPECT_TRUE(contains(error.what(), "announced a message of 4294967295 bytes in a slot of 65536"));
    expect_throw<TimeoutError>([&] { session_->fetch_response("scribble_line 9 77 1 12345", 300); });
    session_->terminate();
    session_->start();
    expect_served();
}

TEST_P(HostileWorkerTest, AMailboxThatIsCutShort) {
    if (session_->stats().carrier != "mailbox") GTEST_SKIP() << "there is no mailbox";
    expect_restart([&] { session_->fetch_response("truncate_and_wait mailbox"); });
}

TEST_P(HostileWorkerTest, AMailboxThatIsCutShortByAWorkerThatDies) {
    if (session_->stats().carrier != "mailbox") GTEST_SKIP() << "there is no mailbox";
    session_->event_fd();  // two threads of the session's touch it then, before the caller does
    expect_throw<RestartError>([&] { session_->fetch_response("truncate_and_die mailbox"); });
    session_->start();
    session_->wait_until_ready();
    expect_served();
}

TEST_P(HostileWorkerTest, AResultThatIsCutShortWhileItIsHeld) {
    const Tensor held = session_->fetch_tensor("result 1000000");
    EXPECT_EQ(held.data<double>()[0], 7.0);
    session_->fetch_response("truncate result_0.tsr");
    EXPECT_EQ(held.data<double>()[999'999], 0.0) << "what is lost reads as zeros";
    expect_restart([&] { session_->fetch_response("echo"); });
    EXPECT_EQ(held.data<double>()[500'000], 0.0);
    expect_served();
}

TEST_P(HostileWorkerTest, TensorsThatAreCutShortAndHeldOverARestart) {
    Tensor mine = session_->empty(Shape(1'000'000), DType::FP64, "mine");
    std::fill_n(mine.data<double>(), 1'000'000, 7.0);
    session_->send_tensor(mine, "mine");
    const Tensor result = session_->fetch_tensor("result 1000000");
    session_->fetch_response("truncate mine.tsr");
    session_->fetch_response("truncate result_0.tsr");
    session_->restart();
    expect_served();
    for (const Tensor& held : {mine, result}) {
        const double last = held.data<double>()[999'999];
        EXPECT_TRUE(last == 0.0 || last == 7.0) << last;
    }
    expect_served();
    mine.data<double>()[0] = 1;
    session_->send_tensor(mine, "again");
    EXPECT_EQ(session_->fetch_response("length again"), "1000000");
    EXPECT_EQ(session_->fetch_tensor("result 1000").data<double>()[999], 7.0);
    session_->restart();
    expect_served();
}

TEST_P(HostileWorkerTest, AnInputThatIsCutShortBeforeItIsSentAgain) {
    session_->send_tensor(Tensor::full(Shape(100'000), 1), "a");
    session_->fetch_response("truncate a.tsr");
    if (GetParam() != WakeUp::polling) {
        expect_restart([&] { session_->send_tensor(Tensor::full(Shape(100'000), 2), "a"); });
    } else {
        session_->send_tensor(Tensor::full(Shape(100'000), 2), "a");  // a new file
        expect_served();
    }
}

TEST_P(HostileWorkerTest, ATensorThatWasCutShortAndGrown) {
    const Tensor result = session_->fetch_tensor("truncate_before_answer 100000");
    EXPECT_EQ(result.data<double>()[99'999], 0.0);  // the worker's own bytes, wrong as they are
    expect_served();
}

TEST_P(HostileWorkerTest, OtherThingsInThePlaceOfEveryFileAndDeath) {
    for (const std::string kind : {"directory", "fifo", "link", "huge"})
        expect_restart([&] { session_->fetch_response("occupy " + kind); }, "exited with code 3");
}

TEST_P(HostileWorkerTest, OtherThingsInThePlaceOfWhatTheHostWritesInStreams) {
    for (const std::string kind : {"directory", "fifo", "link", "huge"}) {
        auto whole = session_->stream("parts_over " + kind + " 3 " + canary_);
        for (int i = 0; i < 3; ++i) EXPECT_EQ(whole.next()->data<double>()[0], i) << kind;
        EXPECT_FALSE(whole.next());
        auto cancelled = session_->stream("parts_over " + kind + " 3 " + canary_);
        EXPECT_TRUE(cancelled.next());
        cancelled.cancel();
        expect_served();
    }
    EXPECT_EQ(read_tsr(canary_).data<float>()[9'999], 42.0F);
}

TEST_P(HostileWorkerTest, AStatusOfAGigabyte) {
    session_->fetch_response("large_status");
    session_->stats();
    expect_served();
}

TEST_P(HostileWorkerTest, HellosThatLie) {
    session_.reset();
    const std::map<std::string, std::string> lies{
        {"no JSON", "hello.json is not JSON"},
        {"[]", "expected a JSON object"},
        {R"({"protocol":2})", "speaks version 2"},
        {R"({"protocol":4294967297})", "speaks version"},
        {R"({"protocol":"1"})", "expected an integer in 'protocol'"},
        {R"({"protocol":1,"epoch":99,"carrier":"files"})", "of another start"},
        {R"({"protocol":1,"epoch":$epoch,"carrier":5})", "expected text in 'carrier'"},
        {"deep", "nested more than 64 deep"},
        {"huge", "cannot be read"},
        {"fifo", "cannot be read"},
        {"directory", "cannot be read"},
        {"link " + text_canary_, "cannot be read"},
    };
    for (const auto& [lie, part] : lies) {
        auto lying = tier_options("lying_server");
        lying.environment["LIE"] = lie;
        EXPECT_TRUE(contains(expect_throw<InputError>([&] { begin(lying); }).what(), part)) << lie;
        session_.reset();
    }
}

TEST_P(HostileWorkerTest, AHelloWithACarrierThatWasNotOffered) {
    session_.reset();
    auto lying = tier_options("lying_server");
    lying.environment["LIE"] = R"({"protocol":1,"epoch":$epoch,"carrier":"telepathy","wake_up":"dreams"})";
    if (GetParam() == WakeUp::futex) {
        expect_throw<InputError>([&] { begin(lying); });
        return;
    }
    begin(lying);
    EXPECT_EQ(session_->stats().carrier, "files");
    session_->terminate();
    session_.reset();
    lying.environment["LIE"] = R"({"protocol":1,"epoch":$epoch,"carrier":"mailbox","wake_up":"futex"})";
    begin(lying);
    EXPECT_EQ(session_->stats().carrier, "files");
    session_->terminate();
}

INSTANTIATE_TEST_SUITE_P(Carriers, HostileWorkerTest, testing::Values(WakeUp::futex, WakeUp::inotify, WakeUp::polling),
                         tier_name);

}  // namespace
}  // namespace tr::test
