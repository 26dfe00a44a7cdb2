#include <gtest/gtest.h>

#include <limits>

#include "support.h"
#include "tech_renaissance/data/tensor.h"

namespace tr {
namespace {

using test::message_of;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::string report_of_is_close(const Tensor& left, const Tensor& right) {
    std::string report;
    EXPECT_FALSE(left.is_close(right, 1e-5, 1e-8, &report));
    EXPECT_FALSE(left.is_close(right)) << "with a report and without must agree";
    return report;
}

TEST(IsClose, ReportNamesFirstAndWorst) {
    Tensor left = Tensor::ones(Shape(3, 4));
    Tensor right = Tensor::ones(Shape(3, 4));
    left.data<float>()[2] = 1.5F;
    right.data<float>()[2] = 1.25F;
    left.data<float>()[7] = 8;
    right.data<float>()[7] = 2;
    left.data<float>()[11] = 2;
    EXPECT_EQ(report_of_is_close(left, right),
              "3 of 12 elements differ (rtol 1e-05, atol 1e-08); first at (0, 2): 1.5 against 1.25; "
              "worst at (1, 3): 8 against 2, off by 6");
}

TEST(IsClose, ReportOfOneElement) {
    EXPECT_EQ(report_of_is_close(Tensor::full(Shape(), 0.1), Tensor::full(Shape(), 0.25)),
              "1 of 1 elements differs (rtol 1e-05, atol 1e-08); first at (): 0.1 against 0.25; "
              "worst at (): 0.1 against 0.25, off by 0.15");
}

TEST(IsClose, DistanceMayBeBeyondTheType) {
    constexpr float kMax = std::numeric_limits<float>::max();
    EXPECT_NE(report_of_is_close(Tensor::full(Shape(), kMax), Tensor::full(Shape(), -kMax)).find("off by 6.80564"),
              std::string::npos);
}

TEST(IsClose, ToleranceIsRelativeToTheOther) {
    const Tensor left = Tensor::full(Shape(2), 110.0);
    const Tensor right = Tensor::full(Shape(2), 100.0);
    EXPECT_TRUE(left.is_close(right, 0.1, 0));
    EXPECT_FALSE(left.is_close(right, 0.09, 0));
    EXPECT_TRUE(left.is_close(right, 0, 10));
    EXPECT_FALSE(left.is_close(right, 0, 9));
    EXPECT_TRUE(Tensor::full(Shape(), 1.0).is_close(Tensor::full(Shape(), 1.000001)));
}

TEST(IsClose, InfinityIsCloseToItselfAlone) {
    const Tensor plus = Tensor::full(Shape(), kInfinity);
    EXPECT_TRUE(plus.is_close(plus));
    EXPECT_FALSE(plus.is_close(Tensor::full(Shape(), -kInfinity)));
    EXPECT_FALSE(plus.is_close(Tensor::full(Shape(), 1)));
    EXPECT_FALSE(Tensor::full(Shape(), 1).is_close(plus)) << "although the tolerance grows without bound";
    EXPECT_NE(report_of_is_close(plus, Tensor::full(Shape(), 1)).find("off by inf"), std::string::npos);
}

TEST(IsClose, NanIsCloseToNothingUnlessAsked) {
    const Tensor nan = Tensor::full(Shape(2), kNan);
    EXPECT_FALSE(nan.is_close(nan));
    EXPECT_TRUE(nan.is_close(nan, 1e-5, 1e-8, nullptr, true));
    EXPECT_FALSE(nan.is_close(Tensor::zeros(Shape(2)), 1e-5, 1e-8, nullptr, true));
    EXPECT_EQ(report_of_is_close(nan, nan),
              "2 of 2 elements differ (rtol 1e-05, atol 1e-08); first at (0,): nan against nan; "
              "worst at (0,): nan against nan, off by inf");
}

TEST(IsClose, LargeIntegersAreNotRoundedTogether) {
    constexpr std::int64_t kLarge = (std::int64_t{1} << 62);
    const Tensor left = Tensor::from_vector({kLarge, std::numeric_limits<std::int64_t>::min()});
    const Tensor right = Tensor::from_vector({kLarge + 1, std::numeric_limits<std::int64_t>::max()});
    std::string report;
    EXPECT_FALSE(left.is_close(right, 0, 0, &report));
    EXPECT_NE(report.find("first at (0,): 4611686018427387904 against 4611686018427387905"), std::string::npos);
    EXPECT_NE(report.find("off by 18446744073709551615"), std::string::npos) << report;
    EXPECT_TRUE(Tensor::full(Shape(), 100, DType::UINT8).is_close(Tensor::full(Shape(), 90, DType::UINT8), 0, 10));
    EXPECT_TRUE(Tensor::full(Shape(), 90, DType::UINT8).is_close(Tensor::full(Shape(), 100, DType::UINT8), 0, 10));
}

TEST(IsClose, ComplexIsComparedByTheSizeOfTheDifference) {
    using Complex = std::complex<float>;
    const Tensor left = Tensor::full(Shape(), Complex(3, 4), DType::COMPLEX64);
    const Tensor right = Tensor::full(Shape(), Complex(0, 0), DType::COMPLEX64);
    EXPECT_TRUE(left.is_close(right, 0, 5));
    EXPECT_FALSE(left.is_close(right, 0, 4.9));
    EXPECT_NE(report_of_is_close(left, right).find("3+4j against 0+0j, off by 5"), std::string::npos);
    const Tensor nan = Tensor::full(Shape(), Complex(kNan, 1), DType::COMPLEX64);
    EXPECT_FALSE(nan.is_close(nan));
    EXPECT_TRUE(nan.is_close(nan, 0, 0, nullptr, true));
    const Tensor infinite = Tensor::full(Shape(), Complex(kInfinity, -1), DType::COMPLEX64);
    EXPECT_TRUE(infinite.is_close(infinite));
}

TEST(IsClose, SmallFloatsAndTruthValues) {
    for (const DType dtype : {DType::FP16, DType::BF16, DType::FP8_E4M3FN, DType::FP8_E5M2}) {
        const Tensor left = Tensor::full(Shape(2), 1.5, dtype);
        EXPECT_TRUE(left.is_close(left));
        EXPECT_TRUE(left.is_close(Tensor::full(Shape(2), 1.75, dtype), 0, 0.25));
        EXPECT_FALSE(left.is_close(Tensor::full(Shape(2), 1.75, dtype)));
    }
    const Tensor yes = Tensor::ones(Shape(1), DType::BOOL);
    const Tensor no = Tensor::zeros(Shape(1), DType::BOOL);
    EXPECT_TRUE(yes.is_close(yes));
    EXPECT_NE(report_of_is_close(yes, no).find("True against False, off by 1"), std::string::npos);
}

TEST(IsClose, NegativeToleranceIsRefused) {
    const Tensor one = Tensor::ones(Shape());
    EXPECT_EQ(message_of<InputError>([&] { (void)one.is_close(one, -1, 0); }),
              "cannot compare with the tolerance (rtol -1, atol 0), expected numbers of 0 or more");
    EXPECT_THROW((void)one.is_close(one, 0, std::numeric_limits<double>::quiet_NaN()), InputError);
}

TEST(Compare, ShapesAndDtypesMustBeTheSame) {
    EXPECT_EQ(report_of_is_close(Tensor::ones(Shape(2, 3)), Tensor::ones(Shape(3, 2))),
              "shapes differ: (2, 3) against (3, 2)");
    EXPECT_EQ(report_of_is_close(Tensor::ones(Shape(2)), Tensor::ones(Shape(2), DType::FP64)),
              "dtypes differ: FP32 against FP64");
    std::string report;
    EXPECT_FALSE(Tensor::zeros(Shape(0, 3)).equal(Tensor::zeros(Shape(3, 0)), &report));
    EXPECT_EQ(report, "shapes differ: (0, 3) against (3, 0)");
}

TEST(Equal, ComparesValues) {
    std::string report = "untouched";
    EXPECT_TRUE(Tensor::arange(5).equal(Tensor::arange(5), &report));
    EXPECT_EQ(report, "untouched");
    EXPECT_TRUE(Tensor::zeros(Shape(0, 3)).equal(Tensor::zeros(Shape(0, 3))));
    EXPECT_TRUE(Tensor::full(Shape(), -0.0).equal(Tensor::zeros(Shape())));
    EXPECT_FALSE(Tensor::full(Shape(), kNan).equal(Tensor::full(Shape(), kNan)));
    EXPECT_FALSE(
        Tensor::full(Shape(), 1.0, DType::FP64).equal(Tensor::full(Shape(), 1.0 + 1e-15, DType::FP64), &report));
    EXPECT_EQ(report,
              "1 of 1 elements differs; first at (): 1 against 1.000000000000001; "
              "worst at (): 1 against 1.000000000000001, off by 1.1102230246251565e-15");
}

}  // namespace
}  // namespace tr
