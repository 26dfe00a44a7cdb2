// Several tensors in answer to one request, on each carrier.
#include <future>

#include "support.h"

namespace tr::test {
namespace {

class StreamTest : public TierTest {
  protected:
    void SetUp() override {
        TierTest::SetUp();
        if (!IsSkipped()) begin(tier_options("numpy_server"));
    }
};

TEST_P(StreamTest, ComesInOrderAndEnds) {
    float expected = 0;
    for (const Tensor& tensor : session_->stream("count 20")) {
        EXPECT_TRUE(tensor.equal(Tensor::full(Shape(1000), expected))) << expected;
        ++expected;
    }
    EXPECT_EQ(expected, 20);
    EXPECT_TRUE(session_->calculate("twice", Tensor::ones(Shape(1))).equal(Tensor::full(Shape(1), 2.0F)));
}

TEST_P(StreamTest, TensorsOfTheAnswerItselfComeLast) {
    auto stream = session_->stream("count 2 last");
    EXPECT_EQ(stream.next()->data<float>()[0], 0);
    EXPECT_EQ(stream.next()->data<float>()[0], 1);
    EXPECT_EQ(stream.next()->data<float>()[0], -1);
    EXPECT_FALSE(stream.next().has_value());
    EXPECT_FALSE(stream.next().has_value());
}

TEST_P(StreamTest, KeptTensorsNeverChange) {
    std::vector<Tensor> kept;
    for (const Tensor& tensor : session_->stream("count 30")) kept.push_back(tensor);
    for (std::size_t i = 0; i < kept.size(); ++i)
        EXPECT_TRUE(kept[i].equal(Tensor::full(Shape(1000), static_cast<float>(i)))) << i;
    EXPECT_EQ(kept.size(), 30U);
}

TEST_P(StreamTest, AFailureComesAfterWhatWasSent) {
    auto stream = session_->stream("count 2 fail");
    EXPECT_TRUE(stream.next().has_value());
    EXPECT_TRUE(stream.next().has_value());
    const auto error = expect_throw<RemoteError>([&] { stream.next(); });
    EXPECT_TRUE(contains(error.what(), "no more"));
    EXPECT_FALSE(stream.next().has_value());
    EXPECT_EQ(session_->fetch_response("streamed"), "2");
}

TEST_P(StreamTest, TheServerIsNoMoreThanOnePartAhead) {
    {
        auto stream = session_->stream("count 1000000");
        for (int i = 0; i < 3; ++i) EXPECT_TRUE(stream.next().has_value());
    }
    // Destroying the stream cancelled it: the server stopped soon after what was read.
    EXPECT_LE(std::stoi(session_->fetch_response("streamed")), 6);
}

TEST_P(StreamTest, AnOrdinaryCallTakesAllParts) {
    EXPECT_EQ(session_->calculate_many("count 5 last", {}).size(), 6U);
}

TEST_P(StreamTest, OtherThreadsWaitForItsEnd) {
    auto stream = session_->stream("count 3");
    EXPECT_EQ(stream.next()->data<float>()[0], 0);
    const auto elsewhere = [&](std::int64_t timeout_ms) {
        return std::async(std::launch::async,
                          [=] { return session_->calculate("twice", Tensor::ones(Shape(1)), timeout_ms); });
    };
    const auto error = expect_throw<TimeoutError>([&] { elsewhere(50).get(); });
    EXPECT_TRUE(contains(error.what(), "a stream that has not ended"));
    auto patient = elsewhere(0);
    EXPECT_EQ(stream.next()->data<float>()[0], 1);
    EXPECT_EQ(stream.next()->data<float>()[0], 2);
    EXPECT_FALSE(stream.next().has_value());
    EXPECT_TRUE(patient.get().equal(Tensor::full(Shape(1), 2.0F)));
}

TEST_P(StreamTest, TheThreadThatHasOneOpenIsNotLeftToWaitForItself) {
    auto stream = session_->stream("count 3");
    EXPECT_EQ(stream.next()->data<float>()[0], 0);
    const auto begin = std::chrono::steady_clock::now();
    const auto error = expect_throw<InputError>([&] { session_->calculate("twice", Tensor::ones(Shape(1)), 60'000); });
    EXPECT_TRUE(contains(error.what(), "has a stream open"));
    EXPECT_TRUE(contains(error.what(), "max_ongoing_requests"));
    EXPECT_THROW(session_->wait_for_response(60'000), InputError);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(30));
    EXPECT_EQ(stream.next()->data<float>()[0], 1);
    stream.cancel();
    EXPECT_TRUE(session_->calculate("twice", Tensor::ones(Shape(1))).equal(Tensor::full(Shape(1), 2.0F)));
}

INSTANTIATE_TEST_SUITE_P(Tiers, StreamTest, testing::Values(WakeUp::futex, WakeUp::inotify, WakeUp::polling),
                         tier_name);

}  // namespace
}  // namespace tr::test
