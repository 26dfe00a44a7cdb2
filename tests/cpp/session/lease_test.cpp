// Nothing that any holder can still see is ever overwritten, whatever carries the tensors.
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <sstream>
#include <thread>

#include "support.h"

namespace tr::test {
namespace {

struct Carrier {
    const char* name;
    WakeUp wake_up;
    bool without_core;
};

constexpr Carrier kFutex{"Futex", WakeUp::futex, false};
constexpr Carrier kPurePython{"FutexWithoutCore", WakeUp::futex, true};
constexpr Carrier kInotify{"Inotify", WakeUp::inotify, false};
constexpr Carrier kPolling{"Polling", WakeUp::polling, false};

/// On both sides of what is copied, leased and mapped: 4 KiB, 16 KiB with the header, 20 KiB, 64 KiB, 80 KiB.
constexpr std::int64_t kSizes[] = {1'000, 4'080, 5'000, 16'384, 20'000};

Tensor full(std::int64_t numel, double value) {
    return Tensor::full(Shape(numel), value);
}

class LeaseTest : public SessionTest, public testing::WithParamInterface<Carrier> {
  protected:
    void SetUp() override {
        TR_SKIP_UNLESS_AVAILABLE(GetParam().wake_up);
        auto forced = options("lease_server");
        forced.python = TR_TEST_PYTHON;
        forced.wake_up = GetParam().wake_up;
        if (GetParam().without_core) forced.environment["TR_LIBRARY"] = "";
        session_ = std::make_unique<PythonSession>(forced);
        session_->start();
        session_->wait_until_ready();
    }

    /// What the worker kept holds these values.
    void expect_kept(const std::vector<double>& values) {
        const Tensor kept = session_->fetch_tensor("kept");
        ASSERT_EQ(kept.shape(), Shape(static_cast<std::int64_t>(values.size()), 2));
        for (std::size_t i = 0; i < values.size(); ++i) {
            EXPECT_EQ(kept.data<double>()[2 * i], values[i]) << "smallest of " << i;
            EXPECT_EQ(kept.data<double>()[2 * i + 1], values[i]) << "largest of " << i;
        }
    }

    void expect_full(const Tensor& tensor, double value) {
        std::string report;
        EXPECT_TRUE(tensor.equal(Tensor::full(tensor.shape(), value), &report))
            << "expected " << value << ": " << report;
    }

    /// The files of at least this size by inode, hidden ones too.
    std::map<std::uint64_t, std::string> files(std::uint64_t bytes) const {
        std::map<std::uint64_t, std::string> found;
        for (const auto& entry : fs::directory_iterator(session_->session_dir())) {
            struct stat info{};
            if (::lstat(entry.path().c_str(), &info) == 0 && static_cast<std::uint64_t>(info.st_size) >= bytes)
                found[info.st_ino] += entry.path().filename().string() + " ";
        }
        return found;
    }

    std::string listing() const {
        std::string names;
        for (const auto& entry : fs::directory_iterator(session_->session_dir()))
            names += entry.path().filename().string() + " ";
        return names;
    }

    void restart() {
        session_->terminate();
        session_->start();
        session_->wait_until_ready();
    }

    /// The last element of what lies under a name in the directory.
    float last_of(const std::string& name) const {
        const std::string bytes = read_text(session_->session_dir() + "/" + name);
        float value = 0;
        if (bytes.size() >= sizeof(value))
            std::memcpy(&value, bytes.data() + bytes.size() - sizeof(value), sizeof(value));
        return value;
    }

    /// How often both sides have changed names.
    std::uint32_t names_changed() const {
        const std::string mailbox = read_text(session_->session_dir() + "/mailbox");
        std::uint32_t sides[2] = {};
        for (int side = 0; side < 2 && mailbox.size() > 256; ++side)
            std::memcpy(&sides[side], mailbox.data() + 64 * (side + 1) + 16, sizeof(sides[side]));
        return sides[0] + sides[1];
    }

    std::unique_ptr<PythonSession> session_;
};

TEST_P(LeaseTest, ALoopInPlaceChangesNoNamesAndTheyFollow) {
    using Clock = std::chrono::steady_clock;
    using std::chrono::milliseconds;
    Tensor result;
    float value = 0;
    // The result before is still held, and the input as well: each side needs another buffer in every call.
    const auto step = [&](const std::string& command = "in_place") {
        Tensor mine = session_->empty(Shape(20'000), DType::FP32, "a");
        std::fill_n(mine.data<float>(), 20'000, ++value);
        Tensor next = session_->calculate(command, mine);
        expect_full(next, value + 1);
        result = next;
    };
    for (int i = 0; i < 10; ++i) step();
    const auto before = names_changed();
    const auto begin = Clock::now();
    std::uint32_t slow = 0;  // in which there was time for names
    constexpr int kCalls = 300;
    for (int i = 0; i < kCalls; ++i) {
        const auto start = Clock::now();
        step();
        if (Clock::now() - start >= milliseconds(50)) ++slow;
    }
    const auto bursts = static_cast<std::uint32_t>((Clock::now() - begin) / milliseconds(50));
    if (session_->stats().worker_mailbox == "library") {
        EXPECT_LE(names_changed() - before, 2 * (slow + bursts + 2)) << "of " << kCalls << " calls";
    }
    EXPECT_TRUE(eventually([&] { return last_of("result_0.tsr") == value + 1; })) << "once the worker is idle";
    step();
    session_->send_tensor(full(5'000, 0), "other");
    EXPECT_EQ(last_of("a.tsr"), value);
    step();
    expect_full(session_->fetch_tensor("twice a"), 2 * value);
    // A tensor of this side's under the tag of a result that has yet to get its name.
    for (int i = 0; i < 3; ++i) step();
    session_->send_tensor(full(20'000, 70), "result_0");
    expect_full(session_->fetch_tensor("twice result_0"), 140);
    for (int i = 0; i < 3; ++i) step();
    const float last = value;
    std::thread killer([pid = session_->stats().worker_pid] { ::kill(static_cast<pid_t>(pid), SIGKILL); });
    killer.join();
    restart();
    try {
        expect_full(session_->fetch_tensor("twice result_0"), 2 * (last + 1));
    } catch (const NotFoundError&) {
        // It had not got its name when the worker died.
    }
    expect_full(session_->fetch_tensor("twice a"), 2 * last);
    step();
}

TEST_P(LeaseTest, InputsAndResultsThatAreKeptNeverChange) {
    for (const auto numel : kSizes) {
        std::vector<Tensor> inputs;
        std::vector<Tensor> results;
        std::vector<double> values;
        for (int i = 0; i < 8; ++i) {
            values.push_back(i + 1);
            inputs.push_back(full(numel, i + 1));
            results.push_back(session_->calculate("keep_and_double", inputs.back()));
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
            expect_full(inputs[i], values[i]);
            expect_full(results[i], 2 * values[i]);
        }
        expect_kept(values);
        session_->fetch_response("forget");
    }
}

TEST_P(LeaseTest, SomeKeptAndSomeDropped) {
    for (const auto numel : {std::int64_t{5'000}, std::int64_t{20'000}}) {
        std::map<int, Tensor> results;
        std::vector<double> kept;
        for (int i = 1; i <= 12; ++i) {
            Tensor result = session_->calculate(i % 3 == 0 ? "keep_and_double" : "twice", full(numel, i));
            if (i % 3 == 0) kept.push_back(i);
            if (i % 2 == 0) results[i] = result;
            if (i > 6) results.erase(i - 4);
        }
        for (const auto& [i, result] : results) expect_full(result, 2 * i);
        expect_kept(kept);
        session_->fetch_response("forget");
    }
}

TEST_P(LeaseTest, AResultIsTheInputOfTheNextRequest) {
    std::vector<Tensor> results{session_->calculate("twice", full(20'000, 1))};
    for (int i = 0; i < 8; ++i) results.push_back(session_->fetch_tensor("keep_and_double result_0"));
    std::vector<double> kept;
    for (std::size_t i = 0; i < results.size(); ++i) {
        expect_full(results[i], static_cast<double>(2 << i));
        if (i + 1 < results.size()) kept.push_back(static_cast<double>(2 << i));
    }
    expect_kept(kept);
}

TEST_P(LeaseTest, AServerThatWritesToAResultReadAgainDoesNotTouchOurs) {
    const Tensor kept = session_->calculate("twice", full(20'000, 1));
    session_->fetch_response("change result_0");
    expect_full(kept, 2);
}

TEST_P(LeaseTest, AServerThatAddsToItsFirstInputDoesNotTouchEarlierResults) {
    std::vector<Tensor> totals;
    for (int i = 0; i < 4; ++i) totals.push_back(session_->calculate("accumulate", full(20'000, 1)));
    for (std::size_t i = 0; i < totals.size(); ++i) expect_full(totals[i], static_cast<double>(i + 1));
}

TEST_P(LeaseTest, AnInputStreamedAgainAndAgainIsSentAsItWas) {
    double expected = 1;
    std::vector<Tensor> parts;
    for (const Tensor& part : session_->stream("stream_of_one", {full(20'000, 0)})) parts.push_back(part);
    ASSERT_EQ(parts.size(), 5U);
    for (const Tensor& part : parts) expect_full(part, expected++);
}

TEST_P(LeaseTest, ATagThatBothSidesWriteKeepsTheInputsOfTheWorker) {
    session_->send_tensor(full(20'000, 1), "result_0");
    session_->fetch_response("keep result_0");
    expect_full(session_->calculate("twice", full(20'000, 5)), 10);  // takes the name away from the input
    session_->send_tensor(full(20'000, 2), "result_0");
    session_->fetch_response("keep result_0");
    session_->fetch_response("forget 0");
    session_->send_tensor(full(20'000, 3), "result_0");
    expect_kept({2});
}

TEST_P(LeaseTest, ATagThatBothSidesWriteKeepsTheResultsOfTheHost) {
    auto first = std::make_unique<Tensor>(session_->calculate("twice", full(20'000, 1)));
    session_->send_tensor(full(20'000, 9), "result_0");  // takes the name away from the result
    const Tensor second = session_->calculate("twice", full(20'000, 2));
    expect_full(*first, 2);
    first.reset();
    const Tensor third = session_->calculate("twice", full(20'000, 3));
    expect_full(second, 4);
    expect_full(third, 6);
}

TEST_P(LeaseTest, ASharedTensorWhoseTagTheWorkerTookIsSentAsItIs) {
    Tensor mine = session_->empty(Shape(20'000), DType::FP32, "result_0");
    std::fill_n(mine.data<float>(), 20'000, 3.0F);
    session_->send_tensor(mine, "result_0");
    expect_full(session_->fetch_tensor("twice result_0"), 6);  // from here on result_0 is the worker's
    expect_full(session_->calculate("echo", mine), 3);
    session_->send_tensor(mine, "result_0");
    expect_full(session_->fetch_tensor("twice result_0"), 6);
}

TEST_P(LeaseTest, OneSharedTensorUnderTwoTags) {
    Tensor mine = session_->empty(Shape(2, 10'000), DType::FP32, "a");
    std::fill_n(mine.data<float>(), 20'000, 4.0F);
    const auto back = session_->calculate_many("echo", {mine, mine.reshape(Shape(20'000))});
    EXPECT_EQ(back.at(0).shape(), Shape(2, 10'000));
    EXPECT_EQ(back.at(1).shape(), Shape(20'000));
    for (int i = 0; i < 6; ++i) {
        const auto both = session_->calculate_many("echo", {full(20'000, i), mine});
        expect_full(both.at(0), i);
        expect_full(both.at(1), 4);
        EXPECT_EQ(both.at(1).shape(), mine.shape());
    }
    EXPECT_LE(files(80'000).size(), 8U) << listing();
}

TEST_P(LeaseTest, TwoResultsOverOneBufferKeepTheirShapes) {
    session_->send_request("two_shapes 10000");
    const auto results = session_->wait_for_tensors();
    ASSERT_EQ(results.size(), 2U);
    EXPECT_EQ(results[0].shape(), Shape(2, 10'000));
    EXPECT_EQ(results[1].shape(), Shape(20'000));
    for (const Tensor& result : results) expect_full(result, 7);
}

TEST_P(LeaseTest, AnOutputThatIsSentAgain) {
    for (int i = 0; i < 10; ++i) {
        session_->send_request("output 20000 " + std::to_string(i));
        const auto two = session_->wait_for_tensors();
        session_->send_request("output_again");
        const auto again = session_->wait_for_tensors();
        for (const Tensor& tensor : {two.at(0), two.at(1), again.at(1)}) expect_full(tensor, i);
        expect_full(again.at(0), 0);
    }
    EXPECT_LE(files(80'000).size(), 8U) << listing();
    EXPECT_LE(files(0).size(), 24U) << listing();
}

TEST_P(LeaseTest, ScalarsAndEmptyTensorsMadeByTheSession) {
    for (const Shape& shape : {Shape(), Shape(0), Shape(0, 3), Shape(1)}) {
        for (int i = 0; i < 3; ++i) {
            Tensor mine = session_->empty(shape, DType::FP64, "a");
            if (mine.numel() == 1) mine.data<double>()[0] = i;
            const auto back = session_->calculate_many("echo", {mine, mine});
            ASSERT_EQ(back.size(), 2U);
            for (const Tensor& tensor : back) EXPECT_TRUE(tensor.equal(mine)) << shape.to_string();
        }
    }
}

TEST_P(LeaseTest, PartsOfAStreamAreWhole) {
    // As many as there is time for: what one costs depends on how its end is noticed.
    const WakeUp tier = GetParam().wake_up;
    const int parts = tier == WakeUp::polling ? 20 : tier == WakeUp::inotify ? 300 : 2'000;
    for (const auto length : {std::int64_t{10}, std::int64_t{5'000}}) {
        std::ostringstream command;
        command << "parts " << parts << " 8 " << length;
        int count = 0;
        int wrong = 0;
        for (const Tensor& tensor : session_->stream(command.str()))
            wrong += !tensor.equal(Tensor::full(tensor.shape(), count++ / 8)) ? 1 : 0;
        EXPECT_EQ(count, parts * 8);
        EXPECT_EQ(wrong, 0) << "tensors of another part than they came with";
    }
}

TEST_P(LeaseTest, ATagThatIsSentAgainWhileTheWorkerLooksItUp) {
    for (const std::int64_t numel : {std::int64_t{1'000}, std::int64_t{50'000}}) {
        session_->send_tensor(full(numel, 0), "x");
        session_->send_request("watch x");
        for (int i = 1; i < 1'500; ++i) session_->send_tensor(full(numel, i), "x");
        session_->send_tensor(full(numel, -1), "x");
        EXPECT_EQ(session_->wait_for_response(), "0");
    }
}

TEST_P(LeaseTest, MoreTensorsThanThereAreLeases) {
    std::vector<Tensor> mine;
    std::vector<double> values;
    for (int i = 0; i < 300; ++i) {
        const std::string tag = "many_" + std::to_string(i);
        mine.push_back(session_->empty(Shape(5'000), DType::FP32, tag));
        std::fill_n(mine.back().data<float>(), 5'000, static_cast<float>(i));
        session_->send_tensor(mine.back(), tag);
        values.push_back(i);
    }
    std::ostringstream command;
    command << "keep";
    for (int i = 0; i < 300; ++i) command << " many_" << i;
    session_->fetch_response(command.str());
    mine.clear();
    for (int i = 0; i < 300; ++i) session_->send_tensor(full(5'000, -1), "many_" + std::to_string(i));
    expect_kept(values);
}

TEST_P(LeaseTest, AWorkspaceInAHiddenFolder) {
    auto hidden = options("lease_server");
    hidden.python = TR_TEST_PYTHON;
    hidden.wake_up = GetParam().wake_up;
    hidden.session_id = "hidden";
    hidden.workspace = workspace_.path() + "/.hidden/workspace";
    session_ = std::make_unique<PythonSession>(hidden);
    session_->start();
    session_->wait_until_ready();
    session_->send_tensor(full(20'000, 1), "x");
    session_->send_tensor(full(20'000, 2), "y");
    expect_full(session_->fetch_tensor("echo x"), 1);
    expect_full(session_->fetch_tensor("echo y"), 2);
}

TEST_P(LeaseTest, AForkOfTheWorkerGivesNothingBack) {
    session_->send_tensor(full(20'000, 1), "x");
    session_->fetch_response("keep x");
    session_->fetch_response("fork");
    for (int i = 2; i < 6; ++i) session_->send_tensor(full(20'000, i), "x");
    expect_kept({1});
}

TEST_P(LeaseTest, AForkOfTheHostGivesNothingBack) {
    Tensor kept = session_->calculate("twice", full(20'000, 1));
    const pid_t child = ::fork();
    if (child == 0) {
        kept = Tensor();
        ::_exit(0);
    }
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    for (int i = 2; i < 6; ++i) session_->calculate("twice", full(20'000, i));
    expect_full(kept, 2);
}

TEST_P(LeaseTest, TensorsOutliveTheWorkerAndTheSession) {
    Tensor mine = session_->empty(Shape(20'000), DType::FP32, "a");
    std::fill_n(mine.data<float>(), 20'000, 3.0F);
    std::vector<Tensor> results;
    std::string last;
    for (int i = 0; i < 4; ++i) {
        results.push_back(session_->calculate("keep_and_double", mine));
        results.push_back(session_->calculate("twice", full(20'000, 3)));
        results.push_back(session_->fetch_tensor("echo result_0"));
        restart();
        results.push_back(session_->calculate("twice", mine));
    }
    for (const Tensor& result : results) expect_full(result, 6);
    session_.reset();
    for (const Tensor& result : results) expect_full(result, 6);
    expect_full(mine, 3);
}

TEST_P(LeaseTest, ARequestSentBeforeTheNextWorkerIsReady) {
    Tensor mine = session_->empty(Shape(20'000), DType::FP32, "a");
    std::fill_n(mine.data<float>(), 20'000, 3.0F);
    for (int i = 0; i < 3; ++i) {
        expect_full(session_->calculate("twice", mine), 6);
        expect_full(session_->calculate("twice", mine), 6);
        session_->terminate();
        session_->start();
    }
}

TEST_P(LeaseTest, RestartsLeaveNothingBehind) {
    std::vector<Tensor> held;
    for (int i = 0; i < 6; ++i) {
        for (int k = 0; k < 4; ++k) {
            held.push_back(session_->calculate("keep_and_double", full(20'000, k)));
            if (held.size() > 3) held.erase(held.begin());
        }
        restart();
    }
    held.clear();
    for (int k = 0; k < 4; ++k) expect_full(session_->calculate("twice", full(20'000, k)), 2 * k);
    EXPECT_LE(files(80'000).size(), 8U) << listing();
}

INSTANTIATE_TEST_SUITE_P(Carriers, LeaseTest, testing::Values(kFutex, kPurePython, kInotify, kPolling),
                         [](const auto& param) { return param.param.name; });

// ----------------------------------------------------------------------------------------------------------- memory

class LargeLeaseTest : public LeaseTest {
  protected:
    static constexpr std::int64_t kNumel = 16 << 20;  // 64 MiB

    static std::int64_t resident_kib(std::int64_t pid) {
        std::ifstream status("/proc/" + std::to_string(pid) + "/status");
        for (std::string line; std::getline(status, line);)
            if (line.rfind("VmRSS:", 0) == 0) return std::stoll(line.substr(6));
        return 0;
    }

    void expect_flat(const std::function<void()>& turn) {
        const auto worker = session_->stats().worker_pid;
        std::int64_t before = 0;
        for (int i = 0; i < 10; ++i) {
            turn();
            EXPECT_LE(files(64U << 20).size(), 3U) << listing();
            if (i == 3) before = resident_kib(::getpid()) + resident_kib(worker);
        }
        const auto after = resident_kib(::getpid()) + resident_kib(worker);
        EXPECT_LT(after, before + (16 << 10)) << "KiB resident, host and worker";
    }
};

TEST_P(LargeLeaseTest, AnEchoLoopStaysFlat) {
    const Tensor input = full(kNumel, 1);
    Tensor result;
    expect_flat([&] { result = session_->calculate("echo", input); });
    expect_full(result, 1);
}

TEST_P(LargeLeaseTest, ALoopOfNewResultsStaysFlat) {
    const Tensor input = full(kNumel, 1);
    Tensor result;
    expect_flat([&] { result = session_->calculate("twice", input); });
    expect_full(result, 2);
}

TEST_P(LargeLeaseTest, ALoopInPlaceStaysFlat) {
    Tensor input = session_->empty(Shape(kNumel), DType::FP32, "a");
    std::fill_n(input.data<float>(), kNumel, 1.0F);
    Tensor result;
    expect_flat([&] { result = session_->calculate("echo", input); });
    expect_full(result, 1);
}

INSTANTIATE_TEST_SUITE_P(Carriers, LargeLeaseTest, testing::Values(kFutex, kPurePython),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace tr::test
