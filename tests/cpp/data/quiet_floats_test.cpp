// Programs that trap floating-point exceptions, as solvers do.
#include <fenv.h>
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <limits>

#include "support.h"
#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/utils/tr_exception.h"

#ifdef __GLIBC__

namespace tr {
namespace {

/// Every exception but that of rounding is a signal that ends the program.
class QuietFloatsTest : public testing::Test {
  protected:
    void SetUp() override {
        std::feclearexcept(FE_ALL_EXCEPT);
        ::feenableexcept(kTrapped);
    }
    void TearDown() override {
        EXPECT_EQ(std::fetestexcept(kTrapped), 0);
        EXPECT_EQ(::fegetexcept(), kTrapped);
        ::fedisableexcept(kTrapped);
    }
    static constexpr int kTrapped = FE_DIVBYZERO | FE_INVALID | FE_OVERFLOW | FE_UNDERFLOW;
    static constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    static constexpr double kInfinity = std::numeric_limits<double>::infinity();
};

TEST_F(QuietFloatsTest, Printing) {
    const auto odd = Tensor::from_vector({kNan, kInfinity, -kInfinity, 5e-324, 1e308, -0.0, 1e-30});
    EXPECT_NE(odd.to_string().find("nan"), std::string::npos);
    EXPECT_FALSE(Tensor::from_vector({1e-45F, std::numeric_limits<float>::quiet_NaN()}).to_string(9).empty());
    EXPECT_FALSE(Tensor::full(Shape(3), std::complex<double>(kNan, kInfinity), DType::COMPLEX128).to_string().empty());
    for (const DType dtype : {DType::FP16, DType::BF16, DType::FP8_E5M2, DType::FP8_E4M3FN})
        EXPECT_FALSE(Tensor::full(Shape(3), kNan, dtype).to_string().empty());
}

TEST_F(QuietFloatsTest, Comparing) {
    std::string report;
    const auto odd = Tensor::from_vector({kNan, kInfinity, 1e308});
    EXPECT_FALSE(odd.is_close(Tensor::from_vector({kNan, kInfinity, -1e308}), 1e-5, 1e-8, &report));
    EXPECT_TRUE(odd.is_close(odd, 1e-5, 1e-8, &report, true));
    EXPECT_FALSE(odd.equal(odd, &report));
    EXPECT_THROW(odd.is_close(odd, kNan), InputError);
    EXPECT_FALSE(odd == odd.clone());
}

TEST_F(QuietFloatsTest, Making) {
    EXPECT_THROW(Tensor::full(Shape(2), kNan, DType::INT32), InputError);
    EXPECT_THROW(Tensor::full(Shape(2), 1e300, DType::INT8), InputError);
    EXPECT_THROW(Tensor::full(Shape(2), 1e300, DType::FP32), InputError);
    EXPECT_EQ(Tensor::full(Shape(2), 1e-300, DType::FP32).data<float>()[0], 0.0F);
    EXPECT_EQ(Tensor::full(Shape(2), 1e-7, DType::FP16).numel(), 2);
    EXPECT_THROW(Tensor::arange(0, kInfinity), InputError);
    EXPECT_THROW(Tensor::arange(0, 1, 0), InputError);
    EXPECT_THROW(Tensor::uniform(Shape(2), 0, kNan), InputError);
    EXPECT_THROW(Tensor::uniform(Shape(2), -1e308, 1e308), InputError);
    EXPECT_EQ(Tensor::randn(Shape(1001)).numel(), 1001);
    EXPECT_EQ(Tensor::uniform(Shape(1001), 0, 1e-40).numel(), 1001);
    EXPECT_EQ(Tensor::randint(Shape(11), INT64_MIN, INT64_MAX, DType::FP64).numel(), 11);
}

}  // namespace
}  // namespace tr

#endif
