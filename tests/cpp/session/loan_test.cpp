// A tensor that one worker gave goes to another without a copy, and nobody sees what anybody else does to it.
#include <sys/stat.h>

#include <cstring>
#include <map>
#include <sstream>
#include <thread>

#include "support.h"

namespace tr::test {
namespace {

constexpr std::int64_t kMany = 300'000;  ///< float32 elements: far beyond what is copied anyway

class LoanTest : public SessionTest {
  protected:
    void SetUp() override { TR_SKIP_UNLESS_AVAILABLE(WakeUp::futex); }

    PythonSession start(const std::string& id, const std::function<void(SessionOptions&)>& change = {}) {
        auto chosen = options("loan_server");
        chosen.session_id = id;
        chosen.python = TR_TEST_PYTHON;
        if (change) change(chosen);
        PythonSession session(chosen);
        session.start();
        session.wait_until_ready();
        return session;
    }

    static Tensor made_by(PythonSession& session, float value) {
        return session.fetch_tensor("make " + std::to_string(kMany) + " " + std::to_string(value));
    }

    /// Permissions and inode of the memory that a worker gets a tensor in.
    static std::pair<std::string, std::uint64_t> where(PythonSession& session, const Tensor& tensor) {
        std::istringstream text(session.call("where", tensor).text());
        std::pair<std::string, std::uint64_t> found;
        text >> found.first >> found.second;
        return found;
    }

    static void expect_full(const Tensor& tensor, double value) {
        std::string report;
        EXPECT_TRUE(tensor.equal(Tensor::full(tensor.shape(), value), &report)) << report;
    }

    /// How many names each large file of a session has, by inode.
    static std::map<std::uint64_t, std::uint64_t> links(const PythonSession& session) {
        std::map<std::uint64_t, std::uint64_t> found;
        for (const auto& entry : fs::directory_iterator(session.session_dir())) {
            struct stat info{};
            if (::lstat(entry.path().c_str(), &info) == 0 && info.st_size > 2 * kMany)
                found[info.st_ino] = info.st_nlink;
        }
        return found;
    }

    static void expect_kept(PythonSession& session, const std::vector<double>& values) {
        const Tensor kept = session.fetch_tensor("kept");
        ASSERT_EQ(kept.shape(), Shape(static_cast<std::int64_t>(values.size()), 2));
        for (std::size_t i = 0; i < values.size(); ++i)
            for (const std::size_t which : {0, 1}) EXPECT_EQ(kept.data<double>()[2 * i + which], values[i]) << i;
    }
};

TEST_F(LoanTest, AResultOfOneWorkerIsTheInputOfAnotherWhereItLies) {
    auto one = start("one");
    auto other = start("other");
    const Tensor result = made_by(one, 3);
    const auto file = links(one);
    ASSERT_EQ(file.size(), 1u);
    const auto [permissions, inode] = where(other, result);
    EXPECT_EQ(inode, file.begin()->first) << "of the file that the first worker has written";
    EXPECT_EQ(permissions, "rw-p") << "what is written there is to reach nobody";
    EXPECT_TRUE(links(other).empty()) << "it has gone back with the answer";
    EXPECT_EQ(links(one).begin()->second, 1u);
    expect_full(other.calculate("twice", result), 6);
    // What lies in a buffer of this process goes the same way.
    Tensor mine = one.empty(Shape(kMany), DType::FP32, "a");
    std::fill_n(mine.data<float>(), kMany, 5.0F);
    EXPECT_EQ(where(other, mine).first, "rw-p");
    const Tensor sent_back = one.calculate("change", mine);
    expect_full(other.calculate("twice", sent_back), 12);
}

TEST_F(LoanTest, WhatAWorkerDoesToItReachesNobody) {
    auto one = start("one");
    auto other = start("other");
    const Tensor result = made_by(one, 3);
    for (int i = 0; i < 3; ++i) expect_full(other.calculate("change", result), 4);
    expect_full(result, 3);
    expect_full(one.fetch_tensor("twice result_0"), 6);
}

TEST_F(LoanTest, WhatAWorkerKeepsIsItsOwn) {
    auto one = start("one");
    auto other = start("other");
    std::vector<double> values;
    for (int i = 1; i <= 6; ++i) {
        Tensor result = made_by(one, static_cast<float>(i));
        EXPECT_EQ(other.call("keep", result).text(), "early");
        // From here on the tensor is the program's again, and the first worker may write where it lay.
        std::fill_n(result.data<float>(), kMany, -1.0F);
        values.push_back(i);
    }
    expect_kept(other, values);
    EXPECT_LE(links(one).size(), 2u) << "none of it is held for what the other keeps";
    other.fetch_response("forget");
}

TEST_F(LoanTest, ALoopOverThreeWorkersSettles) {
    auto one = start("one");
    auto two = start("two");
    auto three = start("three");
    for (int i = 0; i < 30; ++i) {
        const Tensor first = made_by(one, static_cast<float>(i));
        const Tensor second = two.calculate("twice", first);
        expect_full(three.calculate("twice", second), 4.0 * i);
        expect_full(first, i);
    }
    for (auto* session : {&one, &two, &three}) {
        const auto found = links(*session);
        EXPECT_LE(found.size(), 3u) << session->session_id();
        for (const auto& [inode, names] : found) EXPECT_EQ(names, 1u) << session->session_id();
    }
}

TEST_F(LoanTest, OneTensorTwiceAndToTwoAtOnce) {
    auto one = start("one");
    auto two = start("two");
    auto three = start("three");
    const Tensor result = made_by(one, 3);
    EXPECT_EQ(two.call("sum", result, result).text(), std::to_string(kMany * 6) + ".0");
    const Gate gate(workspace_.path() + "/gate");
    auto waiting = two.calculate_async(gate.command(), {result});
    const int closed = gate.reached();
    EXPECT_EQ(links(one).begin()->second, 2u);
    expect_full(three.calculate("twice", result), 6);
    ::close(closed);
    expect_full(waiting.get(), 6);
    EXPECT_EQ(links(one).begin()->second, 1u);
}

TEST_F(LoanTest, WhatADeadWorkerWasLentIsThereForTheNext) {
    auto one = start("one");
    auto other = start("other");
    const Tensor result = made_by(one, 3);
    const Gate gate(workspace_.path() + "/gate");
    auto waiting = other.calculate_async(gate.command(), {result});
    const int held = gate.reached();
    ::kill(static_cast<pid_t>(other.stats().worker_pid), SIGKILL);
    EXPECT_THROW(waiting.get(), RestartError);
    ::close(held);
    other.restart();
    EXPECT_EQ(links(one).begin()->second, 1u);
    const Tensor next = made_by(one, 4);  // which may lie where the other did
    EXPECT_EQ(other.fetch_response("sum a"), std::to_string(kMany * 3) + ".0");
    one.please_exit();
    expect_full(other.calculate("twice", result), 6);
    expect_full(result, 3);
}

TEST_F(LoanTest, WhoeverCannotTakeItWhereItLiesGetsACopy) {
    auto one = start("one");
    const Tensor result = made_by(one, 3);
    auto pure = start("pure", [](SessionOptions& chosen) { chosen.environment["TR_LIBRARY"] = ""; });
    auto polling = start("polling", [](SessionOptions& chosen) { chosen.wake_up = WakeUp::polling; });
    for (auto* session : {&pure, &polling}) expect_full(session->calculate("change", result), 4);
    // A view of a part of it is another tensor than the file holds.
    auto other = start("other");
    const TensorView part(result.data<float>() + 1, Shape(kMany - 1));
    expect_full(other.calculate("twice", part), 6);
    expect_full(result, 3);
}

TEST_F(LoanTest, AStreamIsNotHeldUpByWhatItWasGiven) {
    auto one = start("one");
    auto other = start("other", [](SessionOptions& chosen) { chosen.max_ongoing_requests = 2; });
    const Tensor result = made_by(one, 3);
    constexpr int kParts = 40;
    const auto begin = std::chrono::steady_clock::now();
    for (auto stream = other.stream("parts " + std::to_string(kParts), {result}); auto part = stream.next();)
        EXPECT_EQ(part->raw_data() != nullptr && part->data<float>()[0] == 3, true);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(5 * kParts));
    EXPECT_EQ(links(one).begin()->second, 1u) << "and it has gone back";
}

TEST_F(LoanTest, ALoanIsOverWithItsOwnRequest) {
    auto one = start("one");
    auto other = start("other", [](SessionOptions& chosen) {
        chosen.script = server("loan_server");
        chosen.arguments = {"--threads", "2"};
        chosen.max_ongoing_requests = 2;
    });
    const Tensor result = made_by(one, 3);
    const Gate gate(workspace_.path() + "/gate");
    const Gate late(workspace_.path() + "/late");
    auto lent = other.calculate_async(gate.command(), {result});
    const int closed = gate.reached();
    auto waiting = other.calculate_async(late.command(), {Tensor::ones(Shape(2))});
    const int closed_still = late.reached();
    ::close(closed);
    expect_full(lent.get(), 6);
    EXPECT_EQ(links(one).begin()->second, 1u) << "while another request is in flight";
    ::close(closed_still);
    expect_full(waiting.get(), 2);
}

TEST_F(LoanTest, NothingStaysMappedOfWhatHasGone) {
    {
        auto one = start("one");
        auto other = start("other");
        for (int i = 0; i < 4; ++i) {
            const Tensor result = made_by(one, 3);
            expect_full(other.calculate("twice", result), 6);
        }
    }
    EXPECT_EQ(read_text("/proc/self/maps").find(workspace_.path()), std::string::npos);
}

TEST_F(LoanTest, SeveralCallsAtOnceInManyChannels) {
    auto one = start("one", [](SessionOptions& chosen) { chosen.max_ongoing_requests = 4; });
    auto other = start("other", [](SessionOptions& chosen) { chosen.max_ongoing_requests = 4; });
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread)
        threads.emplace_back([&, thread] {
            for (int i = 0; i < 25; ++i) {
                const float value = static_cast<float>(100 * thread + i);
                const Tensor result = made_by(one, value);
                expect_full(other.calculate("change", result), value + 1);
                expect_full(result, value);
            }
        });
    for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace tr::test
