#include "tech_renaissance/data/dtype.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "support.h"
#include "tech_renaissance/data/device.h"

namespace tr {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(DType, NumbersAndSizesAreThoseOfTheFormat) {
    const struct {
        DType dtype;
        int number;
        std::size_t size;
        const char* name;
    } expected[] = {
        {DType::FP32, 1, 4, "FP32"},
        {DType::INT8, 2, 1, "INT8"},
        {DType::INT32, 3, 4, "INT32"},
        {DType::FP16, 4, 2, "FP16"},
        {DType::BF16, 5, 2, "BF16"},
        {DType::FP64, 6, 8, "FP64"},
        {DType::INT16, 7, 2, "INT16"},
        {DType::UINT8, 8, 1, "UINT8"},
        {DType::INT64, 9, 8, "INT64"},
        {DType::BOOL, 10, 1, "BOOL"},
        {DType::UINT16, 11, 2, "UINT16"},
        {DType::UINT32, 12, 4, "UINT32"},
        {DType::UINT64, 13, 8, "UINT64"},
        {DType::COMPLEX64, 14, 8, "COMPLEX64"},
        {DType::COMPLEX128, 15, 16, "COMPLEX128"},
        {DType::FP8_E4M3FN, 16, 1, "FP8_E4M3FN"},
        {DType::FP8_E5M2, 17, 1, "FP8_E5M2"},
    };
    for (const auto& entry : expected) {
        EXPECT_EQ(static_cast<int>(entry.dtype), entry.number);
        EXPECT_EQ(dtype_size(entry.dtype), entry.size) << entry.name;
        EXPECT_EQ(to_string(entry.dtype), entry.name);
        EXPECT_TRUE(is_dtype(entry.number));
    }
}

TEST(DType, NumberThatIsNoneIsRefused) {
    EXPECT_FALSE(is_dtype(0));
    EXPECT_FALSE(is_dtype(18));
    EXPECT_FALSE(is_dtype(-1));
    EXPECT_EQ(to_string(static_cast<DType>(18)), "DType(18)");
    EXPECT_EQ(test::message_of<InputError>([] { dtype_size(static_cast<DType>(18)); }),
              "cannot use DType(18) as a dtype, expected a number from 1 to 17");
}

TEST(DType, CppTypesMapBySizeAndSign) {
    EXPECT_EQ(dtype_of_v<float>, DType::FP32);
    EXPECT_EQ(dtype_of_v<long long>, DType::INT64);
    EXPECT_EQ(dtype_of_v<long>, sizeof(long) == 8 ? DType::INT64 : DType::INT32);
    EXPECT_EQ(dtype_of_v<unsigned char>, DType::UINT8);
    EXPECT_EQ(dtype_of_v<signed char>, DType::INT8);
    EXPECT_EQ(dtype_of_v<bool>, DType::BOOL);
    EXPECT_EQ(dtype_of_v<std::complex<double>>, DType::COMPLEX128);
    EXPECT_EQ(dtype_of_v<bfloat16>, DType::BF16);
}

TEST(Device, IsTheCpu) {
    EXPECT_EQ(CPU, Device{});
    EXPECT_EQ(to_string(CPU), "cpu");
}

/// Every pattern of a small float survives the way through float and back, NaN as a NaN.
template <class Small, class Bits>
void expect_round_trip() {
    for (unsigned pattern = 0; pattern <= std::numeric_limits<Bits>::max(); ++pattern) {
        Small small;
        small.bits = static_cast<Bits>(pattern);
        const auto value = static_cast<float>(small);
        const Small back(value);
        if (std::isnan(value)) {
            EXPECT_TRUE(std::isnan(static_cast<float>(back))) << pattern;
        } else {
            ASSERT_EQ(back.bits, small.bits) << value;
        }
    }
}

TEST(SmallFloats, EveryPatternSurvivesFloat) {
    expect_round_trip<float16, std::uint16_t>();
    expect_round_trip<bfloat16, std::uint16_t>();
    expect_round_trip<float8_e4m3fn, std::uint8_t>();
    expect_round_trip<float8_e5m2, std::uint8_t>();
}

TEST(SmallFloats, Float16Rounds) {
    EXPECT_EQ(float16(0.1F).bits, 0x2E66);
    EXPECT_EQ(float16(1.0F + 0x1p-11F).bits, 0x3C00) << "a tie goes to the even one below";
    EXPECT_EQ(float16(1.0F + 3 * 0x1p-11F).bits, 0x3C02) << "a tie goes to the even one above";
    EXPECT_EQ(float16(65519.0F).bits, 0x7BFF);
    EXPECT_EQ(float16(65520.0F).bits, 0x7C00);
    EXPECT_EQ(float16(-kInfinity).bits, 0xFC00);
    EXPECT_EQ(float16(0x1p-24F).bits, 1);
    EXPECT_EQ(float16(0x1p-25F).bits, 0) << "half of the smallest goes to zero";
    EXPECT_EQ(float16(0x1.8p-25F).bits, 1);
    EXPECT_EQ(float16(-0.0F).bits, 0x8000);
    EXPECT_EQ(float16(1e-30F).bits, 0);
    EXPECT_EQ(float16(kNan).bits, 0x7E00);
}

TEST(SmallFloats, BFloat16Rounds) {
    EXPECT_EQ(bfloat16(0.1F).bits, 0x3DCD);
    EXPECT_EQ(bfloat16(std::numeric_limits<float>::max()).bits, 0x7F80);
    EXPECT_EQ(bfloat16(std::numeric_limits<float>::denorm_min()).bits, 0);
    EXPECT_EQ(bfloat16(kInfinity).bits, 0x7F80);
    EXPECT_EQ(bfloat16(kNan).bits, 0x7FC0);
}

TEST(SmallFloats, Float8E4M3FnEndsAtItsLargest) {
    EXPECT_EQ(static_cast<float>(float8_e4m3fn(448.0F)), 448.0F);
    EXPECT_EQ(float8_e4m3fn(465.0F).bits, 0x7E);
    EXPECT_EQ(float8_e4m3fn(kInfinity).bits, 0x7E);
    EXPECT_EQ(float8_e4m3fn(-1e30F).bits, 0xFE);
    EXPECT_EQ(float8_e4m3fn(kNan).bits, 0x7F);
    EXPECT_EQ(float8_e4m3fn(0x1p-9F).bits, 1);
}

TEST(SmallFloats, Float8E5M2Overflows) {
    EXPECT_EQ(static_cast<float>(float8_e5m2(57344.0F)), 57344.0F);
    EXPECT_EQ(float8_e5m2(61440.0F).bits, 0x7C);
    EXPECT_EQ(float8_e5m2(0x1p-16F).bits, 1);
    EXPECT_TRUE(std::isnan(static_cast<float>(float8_e5m2(kNan))));
}

}  // namespace
}  // namespace tr
