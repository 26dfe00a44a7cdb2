// A fork of the host has no part in the host's sessions.
#include <sys/wait.h>

#include "support.h"

namespace tr::test {
namespace {

/// Runs `use` in a fork of this process; whether it gave true.
bool in_a_fork(const std::function<bool()>& use) {
    const pid_t child = ::fork();
    if (child == 0) {
        bool good = false;
        try {
            good = use();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "in the fork: %s\n", error.what());
        }
        ::_exit(good ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool refused(const std::function<void()>& call) {
    try {
        call();
    } catch (const InputError& error) {
        return std::string(error.what()).find("was forked: make a PythonSession of its own") != std::string::npos;
    }
    return false;
}

class ForkTest : public SessionTest, public testing::WithParamInterface<WakeUp> {
  protected:
    void SetUp() override {
        TR_SKIP_UNLESS_AVAILABLE(GetParam());
        auto forced = options("numpy_server");
        forced.wake_up = GetParam();
        session_ = std::make_unique<PythonSession>(forced);
        session_->start();
        session_->wait_until_ready();
    }
    void expect_undisturbed() {
        const Tensor ones = Tensor::ones(Shape(100'000));
        for (int i = 0; i < 3; ++i)
            EXPECT_TRUE(session_->calculate("twice", ones).equal(Tensor::full(Shape(100'000), 2.0F)));
        EXPECT_TRUE(fs::exists(session_->session_dir()));
    }
    std::unique_ptr<PythonSession> session_;
};

TEST_P(ForkTest, ThatUsesTheSessionIsRefused) {
    EXPECT_TRUE(in_a_fork([&] {
        PythonSession& session = *session_;
        const Tensor one = Tensor::ones(Shape(1));
        return refused([&] { session.calculate("twice", one); }) && refused([&] { session.send_request("twice a"); }) &&
               refused([&] { session.send_tensor(one, "a"); }) &&
               refused([&] { session.empty(Shape(1), DType::FP32, "a"); }) &&
               refused([&] { session.wait_for_response(); }) && refused([&] { session.stream("count 3"); }) &&
               refused([&] { session.calculate_async("twice", {one}); }) && refused([&] { session.please_exit(); }) &&
               refused([&] { session.terminate(); }) && refused([&] { session.join(); }) &&
               refused([&] { session.start(); }) && refused([&] { session.is_alive(); }) &&
               refused([&] { session.stats(); });
    }));
    expect_undisturbed();
}

TEST_P(ForkTest, ThatDropsTheSessionAndItsTensorsDisturbsNothing) {
    const Tensor ones = Tensor::ones(Shape(100'000));
    Tensor result = session_->calculate("twice", ones);
    EXPECT_TRUE(in_a_fork([&] {
        result = Tensor();
        session_.reset();
        return true;
    }));
    expect_undisturbed();
    EXPECT_TRUE(result.equal(Tensor::full(Shape(100'000), 2.0F)));
}

TEST_P(ForkTest, ThatExitsDisturbsNothing) {
    const pid_t child = ::fork();
    if (child == 0) std::exit(0);
    ::waitpid(child, nullptr, 0);
    expect_undisturbed();
}

TEST_P(ForkTest, ThatDropsAStreamLeavesItToItsOwner) {
    auto stream = std::make_unique<TensorStream>(session_->stream("count 5"));
    ASSERT_TRUE(stream->next()->equal(Tensor::full(Shape(1000), 0.0F)));
    EXPECT_TRUE(in_a_fork([&] {
        const bool no_more = refused([&] { stream->next(); });
        stream.reset();
        return no_more;
    }));
    for (int i = 1; i < 5; ++i) EXPECT_TRUE(stream->next()->equal(Tensor::full(Shape(1000), static_cast<float>(i))));
    EXPECT_FALSE(stream->next());
}

TEST_P(ForkTest, MayHaveASessionOfItsOwn) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer does not support threads that a fork starts";
#endif
    EXPECT_TRUE(in_a_fork([&] {
        auto own = options("numpy_server");
        own.session_id = "own";
        own.wake_up = GetParam();
        PythonSession session(own);
        session.start();
        return session.calculate("twice", Tensor::ones(Shape(3))).equal(Tensor::full(Shape(3), 2.0F));
    }));
    expect_undisturbed();
}

INSTANTIATE_TEST_SUITE_P(Tiers, ForkTest, testing::Values(WakeUp::futex, WakeUp::inotify),
                         [](const auto& tier) { return to_string(tier.param); });

}  // namespace
}  // namespace tr::test
