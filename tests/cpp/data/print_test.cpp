#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "support.h"
#include "tech_renaissance/data/tensor.h"

// The expected texts are those that PyTorch 2.13 prints; tests/interop compares many more with PyTorch itself.

namespace tr {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Print, NameStandsOnItsOwnLine) {
    std::ostringstream out;
    Tensor::full(Shape(2, 3), 18).print("result", out);
    EXPECT_EQ(out.str(), "result:\ntensor([[18., 18., 18.],\n        [18., 18., 18.]])\n");
    out.str("");
    Tensor::full(Shape(), 1.5).print("", out);
    EXPECT_EQ(out.str(), "tensor(1.5000)\n");
}

TEST(Print, GoesToStandardOutput) {
    testing::internal::CaptureStdout();
    Tensor::zeros(Shape(1)).print("zero");
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "zero:\ntensor([0.])\n");
}

TEST(Print, RealNumbersShareWidthAndNotation) {
    EXPECT_EQ(Tensor::from_vector({1.5F, -2.25F, 100.0F}).to_string(), "tensor([  1.5000,  -2.2500, 100.0000])");
    EXPECT_EQ(Tensor::from_vector({1e-5F, 1.0F}).to_string(), "tensor([1.0000e-05, 1.0000e+00])");
    EXPECT_EQ(Tensor::from_vector({1e9F, 1.0F}).to_string(), "tensor([1.0000e+09, 1.0000e+00])");
    EXPECT_EQ(Tensor::from_vector({1e-3, 0.123456}).to_string(), "tensor([0.0010, 0.1235], dtype=torch.float64)");
}

TEST(Print, InfinityAndNan) {
    EXPECT_EQ(Tensor::from_vector({kInfinity, 1.0F, kNan, -kInfinity}).to_string(), "tensor([inf, 1., nan, -inf])");
    EXPECT_EQ(Tensor::from_vector({0.1F, kInfinity}).to_string(), "tensor([0.1000,    inf])");
    EXPECT_EQ(Tensor::from_vector({-kNan}).to_string(), "tensor([nan])");
}

TEST(Print, IntegersAndTruthValues) {
    EXPECT_EQ(Tensor::from_vector<std::int64_t>({1, 2, 300}).to_string(), "tensor([  1,   2, 300])");
    EXPECT_EQ(Tensor::from_vector({1, 2}).to_string(), "tensor([1, 2], dtype=torch.int32)");
    EXPECT_EQ(Tensor::from_vector({true, false}).to_string(), "tensor([ True, False])");
}

TEST(Print, ComplexNumbers) {
    using Complex = std::complex<float>;
    EXPECT_EQ(Tensor::from_vector({Complex(1, 2), Complex(-1.5F, -0.25F)}, Shape(1, 2)).to_string(),
              "tensor([[ 1.0000+2.0000j, -1.5000-0.2500j]])");
}

TEST(Print, EmptyTensorsShowWhatCannotBeSeen) {
    EXPECT_EQ(Tensor::zeros(Shape(0)).to_string(), "tensor([])");
    EXPECT_EQ(Tensor::zeros(Shape(0, 3)).to_string(), "tensor([], size=(0, 3))");
    EXPECT_EQ(Tensor::zeros(Shape(0), DType::INT64).to_string(), "tensor([], dtype=torch.int64)");
}

TEST(Print, NestsAndBreaksLines) {
    EXPECT_EQ(Tensor::arange(8).reshape(Shape(2, 2, 2)).to_string(),
              "tensor([[[0., 1.],\n         [2., 3.]],\n\n        [[4., 5.],\n         [6., 7.]]])");
    EXPECT_EQ(Tensor::arange(20).to_string(),
              "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
              "        14., 15., 16., 17., 18., 19.])");
}

TEST(Print, MoreThanAThousandElementsAreSummarised) {
    EXPECT_EQ(Tensor::arange(1001).to_string(), "tensor([   0.,    1.,    2.,  ...,  998.,  999., 1000.])");
    EXPECT_EQ(Tensor::zeros(Shape(10, 200)).to_string(),
              "tensor([[0., 0., 0.,  ..., 0., 0., 0.],\n"
              "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
              "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
              "        ...,\n"
              "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
              "        [0., 0., 0.,  ..., 0., 0., 0.],\n"
              "        [0., 0., 0.,  ..., 0., 0., 0.]])");
}

TEST(Print, SmallFloatsPrintTheirValues) {
    EXPECT_EQ(Tensor::full(Shape(1), 0.5, DType::FP16).to_string(), "tensor([0.5000], dtype=torch.float16)");
    EXPECT_EQ(Tensor::full(Shape(1), 448, DType::FP8_E4M3FN).to_string(), "tensor([448.], dtype=torch.float8_e4m3fn)");
}

}  // namespace
}  // namespace tr
