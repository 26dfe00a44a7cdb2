// Several threads at one session.
#include <pthread.h>

#include <atomic>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "channel/mailbox.h"
#include "support.h"

namespace tr::test {
namespace {

class ThreadsTest : public SessionTest {
  protected:
    void begin(SessionOptions chosen) {
        session_ = std::make_unique<PythonSession>(std::move(chosen));
        session_->start();
    }
    void begin_with_numpy(const std::string& script) {
        auto chosen = options(script);
        chosen.python = TR_TEST_PYTHON;
        begin(chosen);
    }
    /// On a thread that has ended when this returns.
    template <class Call>
    static void elsewhere(Call call) {
        std::thread(call).join();
    }

    /// The same on a given stack. Threads that have one after the other have the same id.
    static pthread_t run_on(std::vector<char>& stack, std::function<void()> call) {
        pthread_attr_t attributes;
        ::pthread_attr_init(&attributes);
        EXPECT_EQ(::pthread_attr_setstack(&attributes, stack.data(), stack.size()), 0);
        const auto run = [](void* given) -> void* {
            (*static_cast<std::function<void()>*>(given))();
            return nullptr;
        };
        pthread_t thread{};
        EXPECT_EQ(::pthread_create(&thread, &attributes, run, &call), 0);
        ::pthread_join(thread, nullptr);
        ::pthread_attr_destroy(&attributes);
        return thread;
    }

    std::unique_ptr<PythonSession> session_;
};

TEST_F(ThreadsTest, ATensorThatIsSentBesideARequestIsSeenBeforeOrAfter) {
    begin_with_numpy("lease_server");
    const Tensor tensors[] = {Tensor::full(Shape(1'000'000), 1), Tensor::full(Shape(1'000'000), 2)};
    session_->send_tensor(tensors[0], "w");
    std::atomic<bool> done{false};
    int requests = 0;
    int torn = 0;
    std::thread asking([&] {
        for (; !done; ++requests) {
            torn += session_->fetch_response("whole w") != "True" ? 1 : 0;
            // So that the other one finds the worker at work at times, and idle at others.
            Tensor::full(Shape(requests % 8 * 20'000), 1);
        }
    });
    for (int i = 0; i < 400; ++i) session_->send_tensor(tensors[i % 2], "w");
    done = true;
    asking.join();
    EXPECT_EQ(torn, 0) << "of " << requests;
}

TEST_F(ThreadsTest, AWorkerIsHeardByTheOneWhoseTurnItIs) {
    auto chosen = options();
    bool first = true;
    bool heard = false;
    chosen.log = [&](LogLevel, const std::string& line) {
        if (line.rfind("worker ", 0) != 0 || !std::exchange(first, false)) return;
        // In the midst of start(): what the worker says changes what that goes by.
        EXPECT_TRUE(eventually([&] { return fs::exists(session_->session_dir() + "/status.txt"); }));
        elsewhere([&] { heard = session_->is_ready(); });
    };
    begin(chosen);
    EXPECT_FALSE(first);
    EXPECT_FALSE(heard);
    EXPECT_TRUE(session_->is_ready());
    elsewhere([&] { EXPECT_TRUE(session_->is_ready()); });
    session_.reset();  // before what the callback refers to
}

TEST_F(ThreadsTest, ANewThreadDoesNotGetTheAnswerToOneThatHasEnded) {
    begin(options());
    std::vector<char> stack(8 << 20);
    const auto sender = run_on(stack, [&] { session_->send_request("echo the answer to another"); });
    EXPECT_EQ(session_->fetch_response("echo mine"), "mine");
    const auto other = run_on(stack, [&] {
        EXPECT_FALSE(session_->new_response());
        expect_throw<InputError>([&] { session_->read_response(); });
    });
    EXPECT_TRUE(::pthread_equal(other, sender));
}

TEST_F(ThreadsTest, TheAnswerToAThreadThatHasEndedIsLetGo) {
    TR_SKIP_UNLESS_AVAILABLE(WakeUp::futex);
    begin_with_numpy("lease_server");
    session_->send_tensor(Tensor::full(Shape(20'000), 1), "x");
    const auto leases = [&] {
        const auto mailbox = channel::Mailbox::open(session_->session_dir() + "/mailbox", session_->stats().epoch,
                                                    channel::Mailbox::Side::host);
        std::uint32_t count = 0;
        for (std::uint32_t i = 0; i < channel::Mailbox::kLeases; ++i) count += mailbox->peer_leases()[i].count;
        return count;
    };
    {
        const Tensor held = session_->fetch_tensor("twice x");
        EXPECT_EQ(leases(), 1U);
    }
    elsewhere([&] { session_->send_request("twice x"); });
    session_->fetch_response("whole x");
    EXPECT_EQ(leases(), 0U) << "of an answer that nobody can read";
}

TEST_F(ThreadsTest, OneThatFindsADamagedFileLeavesTheRequestOfAnotherAlone) {
    TR_SKIP_UNLESS_AVAILABLE(WakeUp::futex);
    auto keeping = options("evil_server");
    keeping.python = TR_TEST_PYTHON;
    keeping.keep_on_failure = true;
    begin(keeping);
    const Tensor held = session_->fetch_tensor("result 1000000");
    const std::string file = session_->session_dir() + "/result_0.tsr";
    std::thread calling([&] {
        const Tensor input = Tensor::full(Shape(1'000), 1);
        expect_throw<RestartError>([&] { session_->calculate("truncate_and_wait result_0.tsr", input); });
    });
    EXPECT_TRUE(eventually([&] { return fs::file_size(file) == 0; }));
    EXPECT_EQ(held.data<double>()[999'999], 0.0);
    const auto error = expect_throw<RestartError>([&] { session_->send_tensor(Tensor::full(Shape(10), 1), "x"); });
    EXPECT_TRUE(contains(error.what(), "was cut short while it was mapped"));
    calling.join();
    int kept = 0;
    for (const auto& entry : fs::directory_iterator(workspace_.path() + "/python_session"))
        kept += entry.path().filename().string().rfind("kept_test_", 0) == 0 ? 1 : 0;
    EXPECT_EQ(kept, 1) << "by the one whose request it was";
    EXPECT_TRUE(fs::exists(session_->stats().kept + "/request.json"));
}

}  // namespace
}  // namespace tr::test
