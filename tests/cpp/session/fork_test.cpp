// A fork of the host has no part in the host's sessions.
#include <signal.h>

#include <array>
#include <atomic>
#include <future>
#include <thread>

#include "platform/file.h"
#include "support.h"

namespace tr::test {
namespace {

bool sleeps(pid_t thread) {
    const std::string stat = read_text("/proc/self/task/" + std::to_string(thread) + "/stat");
    return contains(stat, ") S ");
}

bool refused(const std::function<void()>& call) {
    try {
        call();
    } catch (const InputError& error) {
        return std::string(error.what()).find("was forked: make a PythonSession of its own") != std::string::npos;
    }
    return false;
}

class ForkTest : public TierTest {
  protected:
    void SetUp() override {
        TierTest::SetUp();
        if (!IsSkipped()) begin(tier_options("numpy_server"));
    }
    void expect_undisturbed() {
        const Tensor ones = Tensor::ones(Shape(100'000));
        for (int i = 0; i < 3; ++i)
            EXPECT_TRUE(session_->calculate("twice", ones).equal(Tensor::full(Shape(100'000), 2.0F)));
        EXPECT_TRUE(fs::exists(session_->session_dir()));
    }
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

TEST_P(ForkTest, MayDropASessionThatOtherThreadsWaitFor) {
    auto stream = std::make_unique<TensorStream>(session_->stream("count 5"));  // has the turn
    ASSERT_TRUE(stream->next());
    std::atomic<pid_t> queuing{0};
    std::atomic<pid_t> joining{0};
    std::thread queue([&] {
        queuing = ::gettid();
        session_->calculate("twice", Tensor::ones(Shape(3)));
    });
    std::thread join([&] {
        joining = ::gettid();
        session_->join();
    });
    EXPECT_TRUE(eventually([&] { return queuing != 0 && joining != 0 && sleeps(queuing) && sleeps(joining); }));
    EXPECT_TRUE(in_a_fork([&] {
        session_.reset();
        return true;
    }));
    stream.reset();
    queue.join();
    expect_undisturbed();
    session_->terminate();
    join.join();
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

/// Holds the lock of a workspace, from another process.
class HeldWorkspace {
  public:
    explicit HeldWorkspace(const std::string& path) : lock_(path + "/python_session/.lock") {
        fs::create_directories(path + "/python_session");
        fs::permissions(path + "/python_session", fs::perms::owner_all);
        std::array<int, 2> ready{};
        EXPECT_EQ(::pipe2(ready.data(), O_CLOEXEC), 0);
        holder_ = ::fork();
        if (holder_ == 0) {
            const auto lock = platform::FileLock::acquire(lock_);
            ::close(ready[1]);
            ::close(ready[0]);
            for (;;) ::pause();
        }
        ::close(ready[1]);
        char none = 0;
        EXPECT_EQ(::read(ready[0], &none, 1), 0);
        ::close(ready[0]);
    }
    ~HeldWorkspace() { release(); }
    HeldWorkspace(const HeldWorkspace&) = delete;
    HeldWorkspace& operator=(const HeldWorkspace&) = delete;
    bool is_waited_for() const {
        const std::string inode = ":" + std::to_string(platform::identify(lock_)->inode) + " ";
        std::ifstream locks("/proc/locks");
        for (std::string line; std::getline(locks, line);)
            if (contains(line, "->") && contains(line, inode)) return true;
        return false;
    }
    void release() {
        if (holder_ == 0) return;
        ::kill(holder_, SIGKILL);
        ::waitpid(std::exchange(holder_, 0), nullptr, 0);
    }

  private:
    std::string lock_;
    pid_t holder_ = 0;
};

TEST_F(SessionTest, AForkWhileAnotherThreadStartsASessionMayStartOneToo) {
#ifdef __SANITIZE_THREAD__
    GTEST_SKIP() << "ThreadSanitizer does not support threads that a fork starts";
#endif
    auto waiting = options();
    waiting.workspace += "/held";
    HeldWorkspace held(waiting.workspace);
    PythonSession session(waiting);
    auto start = std::async(std::launch::async, [&] { session.start(); });
    ASSERT_TRUE(eventually([&] { return held.is_waited_for(); }));
    EXPECT_TRUE(in_a_fork([&] {
        auto free = options();
        free.session_id = "own";
        PythonSession own(free);
        own.start();
        return own.fetch_response("echo x") == "x";
    }));
    held.release();
    start.get();
    EXPECT_EQ(session.fetch_response("echo y"), "y");
}

INSTANTIATE_TEST_SUITE_P(Tiers, ForkTest, testing::Values(WakeUp::futex, WakeUp::inotify), tier_name);

}  // namespace
}  // namespace tr::test
