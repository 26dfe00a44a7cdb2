// Tensors through a session: every dtype, odd shapes, several results, results and inputs that are kept.
#include <fenv.h>

#include <cstring>
#include <limits>
#include <thread>

#include "support.h"

namespace tr::test {
namespace {

class TensorSessionTest : public SessionTest {
  protected:
    TensorSessionTest() : session_(options("numpy_server")) { session_.start(); }
    PythonSession session_;
};

TEST_F(TensorSessionTest, EveryDtypeComesBack) {
    for (int number = 1; number <= 17; ++number) {
        const auto dtype = static_cast<DType>(number);
        const Tensor tensor = Tensor::ones(Shape(2, 3), dtype);
        std::string report;
        EXPECT_TRUE(session_.calculate("echo", tensor).equal(tensor, &report)) << to_string(dtype) << ": " << report;
    }
}

TEST_F(TensorSessionTest, EveryRankComesBack) {
    std::vector<std::int64_t> dims;
    for (std::size_t rank = 0; rank <= Shape::kMaxRank; ++rank) {
        const Tensor tensor = Tensor::arange(static_cast<double>(Shape(dims).numel())).reshape(Shape(dims));
        const Tensor back = session_.calculate("echo", tensor);
        EXPECT_EQ(back.shape(), tensor.shape());
        EXPECT_TRUE(back.equal(tensor));
        dims.push_back(dims.size() % 4 == 0 ? 2 : 1);
    }
}

TEST_F(TensorSessionTest, EmptyTensorsComeBack) {
    for (const Shape& shape : {Shape(0), Shape(0, 3), Shape(3, 0), Shape(2, 0, 3)}) {
        const Tensor back = session_.calculate("echo", Tensor::empty(shape));
        EXPECT_EQ(back.shape(), shape);
    }
}

TEST_F(TensorSessionTest, NonContiguousResultsArriveInOrder) {
    const Tensor result = session_.calculate("transposed", Tensor::arange(6).reshape(Shape(2, 3)));
    EXPECT_TRUE(result.equal(Tensor::from_vector<float>({0, 3, 1, 4, 2, 5}, Shape(3, 2))));
}

TEST_F(TensorSessionTest, SeveralTensorsInAndOut) {
    EXPECT_TRUE(session_.calculate("add", Tensor::full(Shape(2), 1.5F), Tensor::full(Shape(2), 2.0F), 10'000)
                    .equal(Tensor::full(Shape(2), 3.5F)));
    const auto rows = session_.calculate_many("split", {Tensor::arange(30).reshape(Shape(15, 2))});
    ASSERT_EQ(rows.size(), 15U);
    EXPECT_TRUE(rows[14].equal(Tensor::from_vector<float>({28, 29})));
}

TEST_F(TensorSessionTest, ByHandUnderTagsOfOnesOwn) {
    session_.send_tensor(Tensor::arange(4), "input_x");
    session_.send_tensor(Tensor::ones(Shape(4)), "input_y");
    EXPECT_TRUE(session_.fetch_tensor("add input_x input_y").equal(Tensor::from_vector<float>({1, 2, 3, 4})));
    session_.send_request("add input_x,input_y");
    EXPECT_EQ(session_.wait_for_tensors().size(), 1U);
}

TEST_F(TensorSessionTest, ViewsOfMemoryThatIsNotOursCanBeSent) {
    std::vector<float> plain{1, 2, 3};
    session_.send_tensor(TensorView(plain.data(), Shape(3)), "x");
    std::fill(plain.begin(), plain.end(), 0.0F);  // free for use when the call has returned
    EXPECT_TRUE(session_.fetch_tensor("twice x").equal(Tensor::from_vector<float>({2, 4, 6})));
}

TEST_F(TensorSessionTest, ResultsThatAreKeptNeverChange) {
    for (const std::int64_t numel : {10, 100'000}) {
        std::vector<Tensor> kept;
        for (int i = 0; i < 20; ++i)
            kept.push_back(session_.calculate("twice", Tensor::full(Shape(numel), static_cast<float>(i))));
        for (int i = 0; i < 20; ++i)
            EXPECT_TRUE(
                kept[static_cast<std::size_t>(i)].equal(Tensor::full(Shape(numel), 2.0F * static_cast<float>(i))))
                << i;
    }
}

TEST_F(TensorSessionTest, ResultsOutliveTheSession) {
    Tensor kept;
    {
        auto other = options("numpy_server");
        other.session_id = "short";
        PythonSession session(other);
        session.start();
        kept = session.calculate("twice", Tensor::full(Shape(100'000), 4.0F));
    }
    EXPECT_TRUE(kept.equal(Tensor::full(Shape(100'000), 8.0F)));
}

TEST_F(TensorSessionTest, InputsThatTheWorkerKeepsNeverChange) {
    for (const std::int64_t numel : {10, 100'000}) {
        const double first = static_cast<double>(numel);
        for (int i = 0; i < 10; ++i)
            session_.send_tensor(Tensor::full(Shape(numel), static_cast<float>(i)), "x"),
                session_.fetch_response("keep x");
        const Tensor sums = session_.fetch_tensor("sum_of_kept");
        for (int i = 0; i < 10; ++i) {
            const auto index = sums.numel() - 10 + i;
            EXPECT_EQ(sums.data<double>()[index], first * i);
        }
    }
}

TEST_F(TensorSessionTest, AWorkerThatWritesToItsInputDoesNotTouchOurs) {
    const Tensor mine = Tensor::full(Shape(100'000), 3.0F);
    EXPECT_EQ(session_.calculate("overwrite_input", mine).item<float>(), -100'000.0F);
    EXPECT_TRUE(mine.equal(Tensor::full(Shape(100'000), 3.0F)));
}

TEST_F(TensorSessionTest, ResultsMayBeWrittenTo) {
    Tensor result = session_.calculate("twice", Tensor::ones(Shape(100'000)));
    result.data<float>()[99'999] = 5;
    EXPECT_EQ(session_.calculate("twice", Tensor::ones(Shape(100'000))).data<float>()[99'999], 2.0F);
    EXPECT_EQ(result.data<float>()[99'999], 5.0F);
}

TEST_F(TensorSessionTest, AsynchronousCallsGiveFutures) {
    std::vector<std::future<Tensor>> futures;
    for (int i = 0; i < 8; ++i)
        futures.push_back(session_.calculate_async("twice", {Tensor::full(Shape(1000), static_cast<float>(i))}));
    for (int i = 0; i < 8; ++i)
        EXPECT_TRUE(
            futures[static_cast<std::size_t>(i)].get().equal(Tensor::full(Shape(1000), 2.0F * static_cast<float>(i))));
}

TEST_F(TensorSessionTest, ThreadsGetTheirOwnAnswers) {
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([this, t, &wrong] {
            for (int i = 0; i < 50; ++i) {
                const Tensor input = Tensor::full(Shape(100 + 40'000 * (i % 2)), static_cast<float>(t * 1000 + i));
                if (!session_.calculate("twice", input)
                         .equal(Tensor::full(input.shape(), 2.0F * static_cast<float>(t * 1000 + i))))
                    ++wrong;
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong.load(), 0);
}

TEST_F(TensorSessionTest, WrongCountsAndMissingTensorsAreExplained) {
    const auto count = expect_throw<InputError>([this] { session_.calculate("add", Tensor::ones(Shape(2))); });
    EXPECT_EQ(count.code(), ErrorCode::invalid_request);
    EXPECT_TRUE(contains(count.what(), "2"));
    const auto missing = expect_throw<NotFoundError>([this] { session_.fetch_tensor("twice nothing_here"); });
    EXPECT_TRUE(contains(missing.what(), "nothing_here"));
    const auto text = expect_throw<InputError>([this] { session_.calculate("keep", Tensor::ones(Shape(2))); });
    EXPECT_TRUE(contains(text.what(), "without a tensor"));
    EXPECT_TRUE(session_.calculate("twice", Tensor::ones(Shape(1))).equal(Tensor::full(Shape(1), 2.0F)));
}

TEST_F(TensorSessionTest, TagsThatLeaveTheDirectoryAreRefusedOnBothSides) {
    for (const auto& tag :
         std::vector<std::string>{"../x", "a/b", ".hidden", "", "a b", "x\n", std::string(129, 'a')}) {
        const auto ours = expect_throw<InputError>([this, &tag] { session_.send_tensor(Tensor::ones(Shape(1)), tag); });
        EXPECT_TRUE(contains(ours.what(), "cannot be a tensor tag"));
    }
    EXPECT_THROW(session_.fetch_tensor("twice ../../etc/passwd"), InputError);
}

TEST_F(TensorSessionTest, MalformedTensorFilesAreNamed) {
    session_.wait_until_ready();
    std::ofstream(session_.session_dir() + "/broken.tsr") << std::string(100, 'x');
    const auto error = expect_throw<InputError>([this] { session_.fetch_tensor("twice broken"); });
    EXPECT_TRUE(contains(error.what(), "broken"));
    EXPECT_EQ(error.python_type(), "TSRError");
}

#ifdef __GLIBC__
TEST_F(TensorSessionTest, AProgramThatTrapsFloatingPointExceptions) {
    constexpr int kTrapped = FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_UNDERFLOW;
    ::feenableexcept(kTrapped);
    auto chosen = options("numpy_server");
    chosen.session_id = "trapping";
    PythonSession session(chosen);
    session.start();
    const double odd[] = {std::numeric_limits<double>::quiet_NaN(), 1e308, 5e-324};
    const Tensor tensor = Tensor::from_data(odd, Shape(3));
    EXPECT_TRUE(session.calculate("echo", tensor).is_close(tensor, 0, 0, nullptr, true));
    session.please_exit();
    EXPECT_EQ(::fegetexcept(), kTrapped);
    ::fedisableexcept(kTrapped);
}
#endif

}  // namespace
}  // namespace tr::test
