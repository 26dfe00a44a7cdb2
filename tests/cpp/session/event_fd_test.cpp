// A descriptor that is readable while there is something to take, and what a loop may ask without waiting.
#include <poll.h>
#include <sys/resource.h>

#include <atomic>
#include <iterator>
#include <thread>

#include "support.h"

namespace tr::test {
namespace {

constexpr int kPatienceMs = 20'000;

bool readable(int descriptor, int timeout_ms = 0) {
    pollfd polled{descriptor, POLLIN, 0};
    return ::poll(&polled, 1, timeout_ms) == 1;
}

int entries(const char* folder) {
    return static_cast<int>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

class EventFdTest : public TierTest {
  protected:
    SessionOptions several(int most) {
        auto made = tier_options("several_server");
        made.environment["KIND"] = "threads";
        made.max_ongoing_requests = most;
        return made;
    }
    void kill_worker() const { ::kill(static_cast<pid_t>(session_->stats().worker_pid), SIGKILL); }
};

INSTANTIATE_TEST_SUITE_P(Tiers, EventFdTest, testing::Values(WakeUp::futex, WakeUp::inotify, WakeUp::polling),
                         tier_name);

TEST_P(EventFdTest, AnAnswerIsThereUntilItHasBeenRead) {
    begin(tier_options("text_server"));
    const int fd = session_->event_fd();
    EXPECT_EQ(session_->event_fd(), fd);
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(readable(fd));
        const Gate gate(workspace_.path() + "/gate" + std::to_string(i));
        session_->send_request(gate.command());
        EXPECT_FALSE(readable(fd, 50));
        gate.release("one");
        EXPECT_TRUE(readable(fd, kPatienceMs));
        EXPECT_TRUE(session_->new_response());
        EXPECT_TRUE(readable(fd)) << "it has not been read yet";
        EXPECT_EQ(session_->read_response(), "one");
        EXPECT_FALSE(readable(fd));
        if (i == 1) session_->restart();  // its successor has a mailbox of its own
    }
    const SentRequest sent = session_->send_request("raise x");
    EXPECT_TRUE(readable(fd, kPatienceMs));
    EXPECT_THROW(sent.read_response(), RemoteError);
    EXPECT_FALSE(readable(fd));
}

TEST_P(EventFdTest, ADeathIsThereUntilSomebodyHasBeenTold) {
    begin(tier_options("text_server"));
    const int fd = session_->event_fd();
    kill_worker();
    EXPECT_TRUE(readable(fd, kPatienceMs));
    EXPECT_FALSE(session_->is_alive());
    EXPECT_FALSE(readable(fd));
    session_->start();
    EXPECT_TRUE(session_->wait_until_ready());
    EXPECT_FALSE(readable(fd));
    const Gate gate(workspace_.path() + "/gate");
    session_->send_request(gate.command());
    const int held = gate.reached();
    kill_worker();
    EXPECT_TRUE(readable(fd, kPatienceMs));
    EXPECT_FALSE(session_->is_alive());
    EXPECT_TRUE(readable(fd)) << "the request has no end yet";
    EXPECT_TRUE(session_->new_response());
    EXPECT_THROW(session_->read_response(), RestartError);
    EXPECT_FALSE(readable(fd));
    ::close(held);
    session_->restart();
    EXPECT_FALSE(readable(fd));
    kill_worker();
    EXPECT_TRUE(readable(fd, kPatienceMs));
    EXPECT_THROW(session_->fetch_response("echo x"), RestartError);
    EXPECT_FALSE(readable(fd));
    session_->restart();
    session_->terminate();
    EXPECT_FALSE(readable(fd)) << "whoever ends a worker need not be told";
}

TEST_P(EventFdTest, PartsOfAStreamAreThereUntilItsEndHasBeenRead) {
    begin(tier_options("numpy_server"));
    const int fd = session_->event_fd();
    auto stream = session_->stream("count 2 last");
    for (const float expected : {0.0F, 1.0F, -1.0F}) {
        EXPECT_TRUE(readable(fd, kPatienceMs));
        EXPECT_TRUE(eventually([&] { return stream.is_ready(); }));
        EXPECT_EQ(stream.next()->data<float>()[0], expected);
    }
    EXPECT_TRUE(readable(fd, kPatienceMs)) << "that it has ended";
    EXPECT_TRUE(stream.is_ready());
    EXPECT_FALSE(stream.next().has_value());
    EXPECT_FALSE(readable(fd));
    EXPECT_TRUE(stream.is_ready());

    auto given_up = session_->stream("count 1000000");
    EXPECT_TRUE(readable(fd, kPatienceMs));
    given_up.cancel();
    EXPECT_FALSE(readable(fd));

    auto lost = session_->stream("count 1000000");
    EXPECT_TRUE(lost.next().has_value());
    kill_worker();
    const auto read_on = [&] {
        while (lost.next()) EXPECT_TRUE(readable(fd, kPatienceMs));
    };
    EXPECT_THROW(read_on(), RestartError);
    EXPECT_FALSE(readable(fd));
}

TEST_P(EventFdTest, AStreamThatWaitsIsNotReady) {
    begin(several(2));
    const int fd = session_->event_fd();
    const Gate gate(workspace_.path() + "/gate");
    auto stream = session_->stream(gate.command());
    EXPECT_FALSE(stream.is_ready());
    EXPECT_FALSE(readable(fd, 50));
    const int held = gate.reached();
    kill_worker();
    EXPECT_TRUE(readable(fd, kPatienceMs));
    EXPECT_TRUE(stream.is_ready());
    EXPECT_THROW(stream.next(), RestartError);
    EXPECT_FALSE(readable(fd));
    ::close(held);
}

TEST_P(EventFdTest, ANewWorkerIsHeardByItsLoop) {
    const Gate gate(workspace_.path() + "/gate");
    auto slow = several(1);
    slow.environment["START_GATE"] = gate.path();
    session_ = std::make_unique<PythonSession>(slow);
    const int fd = session_->event_fd();  // before there is anything else
    EXPECT_FALSE(readable(fd));
    session_->start();
    EXPECT_FALSE(session_->is_ready());
    EXPECT_FALSE(readable(fd));
    gate.release();
    EXPECT_TRUE(readable(fd, kPatienceMs));
    EXPECT_TRUE(session_->is_ready());
    EXPECT_FALSE(readable(fd));
}

TEST_P(EventFdTest, WhoOnlyLooksHearsANewWorkerToo) {
    const auto started = [&](const std::string& server, const std::string& id) {
        auto made = tier_options(server);
        made.session_id = id;
        auto session = std::make_unique<PythonSession>(made);
        session->start();
        return session;
    };
    const auto one = started("text_server", "one");
    one->send_request("echo x");
    EXPECT_TRUE(eventually([&] { return !one->is_busy(); }));
    EXPECT_TRUE(one->new_response());
    EXPECT_EQ(one->read_response(), "x");
    const auto two = started("text_server", "two");
    const SentRequest sent = two->send_request("echo x");
    EXPECT_TRUE(eventually([&] { return sent.new_response(); }));
    EXPECT_EQ(sent.read_response(), "x");
    const auto three = started("text_server", "three");
    three->send_request("echo x");
    WaitSet waiting;
    waiting.add(*three, 1);
    const auto ready = waiting.wait(kPatienceMs);
    ASSERT_TRUE(ready);
    EXPECT_EQ(ready->event, WaitSet::Event::answer);
    const auto four = started("numpy_server", "four");
    auto stream = four->stream("count 2 last");
    EXPECT_TRUE(eventually([&] { return stream.is_ready(); }));
    const auto five = started("text_server", "five");
    const int fd = five->event_fd();
    five->send_request("echo x");
    while (!five->new_response()) ASSERT_TRUE(readable(fd, kPatienceMs));
    EXPECT_EQ(five->read_response(), "x");
    EXPECT_FALSE(readable(fd));
}

TEST_P(EventFdTest, WhatACallWaitsForIsNotThereToBeTaken) {
    begin(several(2));
    const int fd = session_->event_fd();
    std::atomic<bool> over{false};
    std::thread calling([&] {
        for (int i = 0; i < 100; ++i) EXPECT_EQ(session_->fetch_response("echo x"), "x");
        for (int i = 0; i < 10; ++i)
            EXPECT_EQ(session_->calculate_async("double", {Tensor::ones(Shape(1))}).get().numel(), 1);
        over = true;
    });
    int seen = 0;
    while (!over) seen += readable(fd, 1) ? 1 : 0;
    calling.join();
    EXPECT_EQ(seen, 0);
}

TEST_P(EventFdTest, AnAnswerThatAnotherThreadMetIsThere) {
    begin(tier_options("text_server"));
    const int fd = session_->event_fd();
    session_->send_request("echo mine");
    std::thread other([&] { EXPECT_EQ(session_->fetch_response("echo other"), "other"); });
    other.join();
    EXPECT_TRUE(readable(fd));
    EXPECT_EQ(session_->read_response(), "mine");
    EXPECT_FALSE(readable(fd));
    std::thread([&] { session_->send_request("echo of a thread that ends"); }).join();
    EXPECT_EQ(session_->fetch_response("echo x"), "x");
    EXPECT_FALSE(readable(fd)) << "of an answer that nobody can read";
}

TEST_P(EventFdTest, WhoNeverAsksPaysNothing) {
    begin(tier_options("text_server"));
    session_->fetch_response("echo x");
    const int threads = entries("/proc/self/task");
    const int descriptors = entries("/proc/self/fd");
    EXPECT_EQ(session_->fetch_response("echo x"), "x");
    EXPECT_EQ(entries("/proc/self/task"), threads);
    EXPECT_EQ(entries("/proc/self/fd"), descriptors);
    const int fd = session_->event_fd();
    EXPECT_EQ(entries("/proc/self/task"), threads + 1);
    EXPECT_EQ(entries("/proc/self/fd"), descriptors + 2);
    EXPECT_TRUE(::fcntl(fd, F_GETFD) & FD_CLOEXEC);
    session_.reset();
    EXPECT_EQ(::fcntl(fd, F_GETFD), -1) << "closed with the session";
}

TEST_P(EventFdTest, WithoutDescriptorsItSaysSo) {
    begin(tier_options("text_server"));
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = ::dup(0);
    ::close(next);
    const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto error = expect_throw<RetryError>([&] { session_->event_fd(); });
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_TRUE(contains(error.what(), "event_fd() needs a thread and two descriptors"));
    EXPECT_TRUE(contains(error.what(), "ulimit -n"));
    EXPECT_FALSE(readable(session_->event_fd()));
}

TEST_P(EventFdTest, ProgressIsWhatTheServerSaidLast) {
    begin(tier_options("recovery_server"));
    EXPECT_EQ(session_->progress(), "");
    for (int i = 0; i < 2; ++i) {
        const Gate gate(workspace_.path() + "/gate" + std::to_string(i));
        session_->send_request(gate.command());
        EXPECT_TRUE(eventually([&] { return session_->progress() == "a third done"; }));
        EXPECT_TRUE(session_->is_busy());
        EXPECT_EQ(session_->progress(), session_->stats().progress);
        gate.release("done");
        EXPECT_EQ(session_->wait_for_response(), "done");
        EXPECT_EQ(session_->progress(), "");
        EXPECT_FALSE(session_->is_busy());
        if (i == 0) session_->restart();
    }
    session_->terminate();
    EXPECT_EQ(session_->progress(), "");
}

TEST_F(SessionTest, WhatHasNotChangedIsNotReadAgain) {
    TR_SKIP_UNLESS_AVAILABLE(WakeUp::futex);
    auto chosen = options("recovery_server");
    chosen.wake_up = WakeUp::futex;
    PythonSession session(chosen);
    session.start();
    const Gate gate(workspace_.path() + "/gate");
    session.send_request(gate.command());
    EXPECT_TRUE(eventually([&] { return session.progress() == "a third done"; }));
    // As a loop may ask at any time, the file is read when the worker has said that it has changed, and else not. It
    // may say so a moment after it was seen.
    int round = 0;
    EXPECT_TRUE(eventually([&] {
        const std::string text = "written behind the worker's back " + std::to_string(++round);
        std::ofstream(session.session_dir() + "/status.txt") << text;
        return session.progress() != text;
    }));
    gate.release();
    session.wait_for_response();
}

}  // namespace
}  // namespace tr::test
