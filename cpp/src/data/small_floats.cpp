#include <cmath>
#include <cstdint>
#include <cstring>

#include "tech_renaissance/data/dtype.h"

namespace tr {

namespace {

/// A binary floating-point format of at most 16 bits.
struct Format {
    int exponent_bits;
    int mantissa_bits;
    bool finite_only;  ///< no infinities; NaN is the pattern of all ones

    constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
    constexpr std::uint32_t sign_bit() const { return 1U << (exponent_bits + mantissa_bits); }
    constexpr std::uint32_t infinity() const { return ((1U << exponent_bits) - 1U) << mantissa_bits; }
    constexpr std::uint32_t nan() const {
        return finite_only ? sign_bit() - 1U : infinity() | (1U << (mantissa_bits - 1));
    }
};

constexpr Format kFloat16{5, 10, false};
constexpr Format kBFloat16{8, 7, false};
constexpr Format kFloat8E4M3FN{4, 3, true};
constexpr Format kFloat8E5M2{5, 2, false};

constexpr int kFloatMantissaBits = 23;
constexpr int kFloatBias = 127;

std::uint32_t encode(float value, const Format& format) noexcept {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    const std::uint32_t sign = (bits >> 31) != 0 ? format.sign_bit() : 0U;
    const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
    if (magnitude > 0x7F800000U) return sign | format.nan();
    // Without infinities, what is too large becomes the largest, as in PyTorch.
    const std::uint32_t overflow = format.finite_only ? format.nan() - 1U : format.infinity();
    if (magnitude == 0x7F800000U) return sign | overflow;

    std::uint32_t significand = magnitude & 0x7FFFFFU;
    int exponent = static_cast<int>(magnitude >> kFloatMantissaBits);
    if (exponent == 0) {
        exponent = 1;  // subnormal: no implicit bit
    } else {
        significand |= 1U << kFloatMantissaBits;
    }
    exponent += format.bias() - kFloatBias;
    int shift = kFloatMantissaBits - format.mantissa_bits;
    if (exponent <= 0) {
        shift += 1 - exponent;
        exponent = 1;
        // The significand has 24 bits: from 25 on, it is below half of the smallest subnormal.
        if (shift > kFloatMantissaBits + 1) return sign;
    }
    const std::uint32_t below_half = (1U << (shift - 1)) - 1U;
    const std::uint32_t odd = (significand >> shift) & 1U;
    const std::uint32_t rounded = (significand + below_half + odd) >> shift;
    // The implicit bit, where there is one, adds the last 1 to the exponent; so does a carry out of rounding.
    const std::uint32_t result = (static_cast<std::uint32_t>(exponent - 1) << format.mantissa_bits) + rounded;
    return sign | (result >= overflow ? overflow : result);
}

float decode(std::uint32_t bits, const Format& format) noexcept {
    const bool negative = (bits & format.sign_bit()) != 0;
    const std::uint32_t magnitude = bits & (format.sign_bit() - 1U);
    const std::uint32_t mantissa = magnitude & ((1U << format.mantissa_bits) - 1U);
    const int exponent = static_cast<int>(magnitude >> format.mantissa_bits);
    float result = 0;
    if (format.finite_only ? magnitude == format.nan() : magnitude > format.infinity()) {
        result = std::nanf("");
    } else if (!format.finite_only && magnitude == format.infinity()) {
        result = HUGE_VALF;
    } else if (exponent == 0) {
        result = std::ldexp(static_cast<float>(mantissa), 1 - format.bias() - format.mantissa_bits);
    } else {
        const std::uint32_t significand = mantissa | (1U << format.mantissa_bits);
        result = std::ldexp(static_cast<float>(significand), exponent - format.bias() - format.mantissa_bits);
    }
    return negative ? -result : result;
}

}  // namespace

float16::float16(float value) noexcept : bits(static_cast<std::uint16_t>(encode(value, kFloat16))) {}
float16::operator float() const noexcept {
    return decode(bits, kFloat16);
}

bfloat16::bfloat16(float value) noexcept : bits(static_cast<std::uint16_t>(encode(value, kBFloat16))) {}
bfloat16::operator float() const noexcept {
    return decode(bits, kBFloat16);
}

float8_e4m3fn::float8_e4m3fn(float value) noexcept : bits(static_cast<std::uint8_t>(encode(value, kFloat8E4M3FN))) {}
float8_e4m3fn::operator float() const noexcept {
    return decode(bits, kFloat8E4M3FN);
}

float8_e5m2::float8_e5m2(float value) noexcept : bits(static_cast<std::uint8_t>(encode(value, kFloat8E5M2))) {}
float8_e5m2::operator float() const noexcept {
    return decode(bits, kFloat8E5M2);
}

}  // namespace tr
