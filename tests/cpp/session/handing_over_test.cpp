// Whose an answer is, and how a request is handed to another thread.
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "platform/host.h"
#include "support.h"

namespace tr::test {
namespace {

class HandingOverTest : public TierTest {
  protected:
    /// On a thread that has ended when this returns.
    template <class Call>
    static void elsewhere(Call call) {
        std::thread(call).join();
    }
};

TEST_P(HandingOverTest, AThreadThatSentNothingGetsNothing) {
    begin(tier_options("text_server"));
    session_->send_request("echo mine");
    ASSERT_TRUE(session_->wait_until_ok());
    const std::string sender = std::to_string(platform::thread_id());
    elsewhere([&] {
        EXPECT_FALSE(session_->new_response());
        EXPECT_THROW(session_->read_response(), InputError);
        EXPECT_THROW(session_->wait_until_ok(60'000), InputError);
        EXPECT_THROW(session_->wait_for_tensor(60'000), InputError);
        WaitSet next;
        next.add(*session_, 1);
        EXPECT_FALSE(next.wait(10));
        expect_throw<InputError>([&] { session_->wait_for_response(60'000); });
    });
    EXPECT_TRUE(session_->new_response());
    EXPECT_EQ(session_->read_response(), "mine");
    const Gate gate(workspace_.path() + "/gate");
    session_->send_request(gate.command());
    elsewhere([&] {
        const auto error = expect_throw<InputError>([&] { session_->wait_for_response(60'000); });
        EXPECT_TRUE(contains(error.what(), "this thread has no request in session 'test'"));
        EXPECT_TRUE(contains(error.what(), "'wait_for_fifo' was sent by thread " + sender));
        EXPECT_TRUE(contains(error.what(), "SentRequest"));
    });
    gate.release("still mine");
    EXPECT_EQ(session_->wait_for_response(), "still mine");
}

TEST_P(HandingOverTest, WhoHasTheHandleReadsTheAnswer) {
    begin(tier_options("text_server"));
    const Gate gate(workspace_.path() + "/gate");
    SentRequest sent = session_->send_request(gate.command());
    EXPECT_FALSE(sent.new_response());
    EXPECT_THROW(sent.read_response(), InputError);
    EXPECT_THROW(sent.wait_for_response(10), TimeoutError);
    std::string answer;
    std::thread reader([&, sent] { answer = sent.wait_for_response(); });
    gate.release("across");
    reader.join();
    EXPECT_EQ(answer, "across");
    EXPECT_FALSE(sent.new_response());
    EXPECT_FALSE(session_->new_response());
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { sent.wait_for_response(); }).what(), "has been read"));
    EXPECT_THROW(session_->wait_for_response(), InputError);
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { SentRequest().new_response(); }).what(), "has no request"));
}

TEST_P(HandingOverTest, TheSenderMayEndOrSendMore) {
    begin(tier_options("text_server"));
    SentRequest first;
    elsewhere([&] { first = session_->send_request("echo of one that has ended"); });
    SentRequest second = session_->send_request("echo second");
    EXPECT_EQ(session_->fetch_response("echo third"), "third");
    EXPECT_FALSE(session_->new_response()) << "the second is for who has its handle alone";
    elsewhere([&] {
        EXPECT_TRUE(second.new_response());
        EXPECT_EQ(second.read_response(), "second");
        EXPECT_EQ(first.wait_for_response(), "of one that has ended");
    });
}

TEST_P(HandingOverTest, TheWorkersDeathIsToldToWhoHasTheHandle) {
    begin(tier_options("text_server"));
    const SentRequest sent = session_->send_request("kill SIGKILL");
    session_->join();
    EXPECT_THROW(session_->fetch_response("echo x"), RestartError);
    elsewhere([&] {
        EXPECT_TRUE(sent.new_response());
        const auto error = expect_throw<RestartError>([&] { sent.wait_for_response(); });
        EXPECT_TRUE(contains(error.what(), "was killed by signal 9"));
        EXPECT_FALSE(sent.new_response()) << "it has been told";
    });
    session_->start();
    EXPECT_THROW(sent.wait_for_response(), InputError);
    const SentRequest another = session_->send_request("kill SIGKILL");
    session_->join();
    session_->start();
    elsewhere([&] { EXPECT_THROW(another.wait_for_response(), RestartError) << "also when there is another worker"; });
    EXPECT_EQ(session_->fetch_response("echo on"), "on");
}

TEST_P(HandingOverTest, AWaitByHandleEndsWithTheWorker) {
    begin(tier_options("text_server"));
    const Gate gate(workspace_.path() + "/gate");
    const SentRequest sent = session_->send_request(gate.command());
    const int held = gate.reached();
    std::thread reader([&] { EXPECT_THROW(sent.wait_for_response(0), RestartError); });
    ::kill(static_cast<pid_t>(session_->stats().worker_pid), SIGKILL);
    reader.join();
    ::close(held);
}

TEST_P(HandingOverTest, TensorsComeToo) {
    begin(tier_options("lease_server"));
    session_->send_tensor(Tensor::full(Shape(3), 2), "x");
    const SentRequest sent = session_->send_request("twice x");
    elsewhere([&] { EXPECT_EQ(sent.wait_for_tensor().numel(), 3); });
}

TEST_P(HandingOverTest, ThreadsThatSendAndReadByHandNeverMeet) {
    auto several = tier_options("several_server");
    several.environment["KIND"] = "threads";
    several.max_ongoing_requests = 2;
    begin(several);
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&, i] {
            for (int k = 0; k < 25; ++k) {
                const std::string word = std::to_string(100 * i + k);
                session_->send_request("echo unread " + word);  // which the next one drops
                session_->send_request("echo " + word);
                if (session_->wait_for_response() == word) ++good;
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(good, 100);
}

TEST_P(HandingOverTest, AWaitSetTakesHandles) {
    auto several = tier_options("several_server");
    several.environment["KIND"] = "threads";
    several.max_ongoing_requests = 2;
    begin(several);
    const Gate gate(workspace_.path() + "/gate");
    const SentRequest slow = session_->send_request(gate.command());
    const SentRequest quick = session_->send_request("echo quick");
    WaitSet next;
    next.add(slow, 1);
    next.add(quick, 2);
    auto ready = next.wait(20'000);
    ASSERT_TRUE(ready);
    EXPECT_EQ(ready->key, 2U);
    EXPECT_EQ(ready->event, WaitSet::Event::answer);
    EXPECT_EQ(quick.read_response(), "quick");
    std::thread opener([&] { gate.release("slow"); });
    next.remove(2);
    ready = next.wait(20'000);
    opener.join();
    ASSERT_TRUE(ready);
    EXPECT_EQ(slow.read_response(), "slow");
}

INSTANTIATE_TEST_SUITE_P(Tiers, HandingOverTest, testing::Values(WakeUp::futex, WakeUp::inotify, WakeUp::polling),
                         tier_name);

}  // namespace
}  // namespace tr::test
