#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <type_traits>

#include "tech_renaissance/export.h"

namespace tr {

/// Element types. The numbers are those of `.tsr` files and never change.
enum class DType : std::int32_t {
    FP32 = 1,
    INT8 = 2,
    INT32 = 3,
    FP16 = 4,
    BF16 = 5,
    FP64 = 6,
    INT16 = 7,
    UINT8 = 8,
    INT64 = 9,
    BOOL = 10,
    UINT16 = 11,
    UINT32 = 12,
    UINT64 = 13,
    COMPLEX64 = 14,
    COMPLEX128 = 15,
    FP8_E4M3FN = 16,
    FP8_E5M2 = 17,
};

/// `number` is one of the numbers of DType.
TR_API bool is_dtype(std::int32_t number) noexcept;

/// Bytes of one element.
/// @throws InputError when `dtype` was made from a number that is none.
TR_API std::size_t dtype_size(DType dtype);

/// "FP32", "COMPLEX64", ...; "DType(99)" for a number that is none.
TR_API std::string to_string(DType dtype);
TR_API std::ostream& operator<<(std::ostream& out, DType dtype);
/// The name that programs for the older bridge use.
inline std::string dtype_to_string(DType dtype) {
    return to_string(dtype);
}
/// "FP32" and the like, in any case, or the name in PyTorch and NumPy, such as "float32".
/// @throws InputError for what is none of them
TR_API DType string_to_dtype(const std::string& name);

/// IEEE 754 half precision: storage only, arithmetic goes through float. Conversion from float rounds to nearest even.
struct float16 {
    float16() = default;
    TR_API explicit float16(float value) noexcept;
    TR_API explicit operator float() const noexcept;
    std::uint16_t bits = 0;
};

/// The upper half of a float; same rules as float16.
struct bfloat16 {
    bfloat16() = default;
    TR_API explicit bfloat16(float value) noexcept;
    TR_API explicit operator float() const noexcept;
    std::uint16_t bits = 0;
};

/// 4 exponent and 3 mantissa bits, no infinities; what is larger than the largest value, 448, becomes 448, as in
/// PyTorch.
struct float8_e4m3fn {
    float8_e4m3fn() = default;
    TR_API explicit float8_e4m3fn(float value) noexcept;
    TR_API explicit operator float() const noexcept;
    std::uint8_t bits = 0;
};

/// 5 exponent and 2 mantissa bits, with infinities, largest finite value 57344.
struct float8_e5m2 {
    float8_e5m2() = default;
    TR_API explicit float8_e5m2(float value) noexcept;
    TR_API explicit operator float() const noexcept;
    std::uint8_t bits = 0;
};

namespace detail {

template <class T>
inline constexpr bool is_plain_integer_v =
    std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char> && !std::is_same_v<T, wchar_t> &&
    !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t>;

template <std::size_t size, bool is_signed>
constexpr DType integer_dtype() {
    static_assert(size == 1 || size == 2 || size == 4 || size == 8, "no DType has this size");
    if constexpr (size == 1) return is_signed ? DType::INT8 : DType::UINT8;
    if constexpr (size == 2) return is_signed ? DType::INT16 : DType::UINT16;
    if constexpr (size == 4) return is_signed ? DType::INT32 : DType::UINT32;
    if constexpr (size == 8) return is_signed ? DType::INT64 : DType::UINT64;
}

}  // namespace detail

/// DTypeOf<float>::value is DType::FP32. Integers map by size and sign, so that `long` and `long long` both work;
/// `char` is refused because its sign differs between platforms. Not defined for types that no tensor holds.
template <class T, class Enable = void>
struct DTypeOf;

template <class T>
struct DTypeOf<T, std::enable_if_t<detail::is_plain_integer_v<T>>>
    : std::integral_constant<DType, detail::integer_dtype<sizeof(T), std::is_signed_v<T>>()> {};
template <>
struct DTypeOf<float> : std::integral_constant<DType, DType::FP32> {};
template <>
struct DTypeOf<double> : std::integral_constant<DType, DType::FP64> {};
template <>
struct DTypeOf<bool> : std::integral_constant<DType, DType::BOOL> {};
template <>
struct DTypeOf<std::complex<float>> : std::integral_constant<DType, DType::COMPLEX64> {};
template <>
struct DTypeOf<std::complex<double>> : std::integral_constant<DType, DType::COMPLEX128> {};
template <>
struct DTypeOf<float16> : std::integral_constant<DType, DType::FP16> {};
template <>
struct DTypeOf<bfloat16> : std::integral_constant<DType, DType::BF16> {};
template <>
struct DTypeOf<float8_e4m3fn> : std::integral_constant<DType, DType::FP8_E4M3FN> {};
template <>
struct DTypeOf<float8_e5m2> : std::integral_constant<DType, DType::FP8_E5M2> {};

template <class T>
inline constexpr DType dtype_of_v = DTypeOf<T>::value;

namespace detail {

template <class T, class Enable = void>
inline constexpr bool is_element_v = false;
template <class T>
inline constexpr bool is_element_v<T, std::void_t<decltype(DTypeOf<T>::value)>> = true;

/// As dtype_of_v, with words for what has none.
template <class T>
constexpr DType element_dtype() {
    static_assert(
        is_element_v<T>,
        "no tensor has elements of this type: expected bool, integers of 8 to 64 bits other than char, float, "
        "double, std::complex of these, or one of tr::float16, bfloat16, float8_e4m3fn and float8_e5m2; a text "
        "goes into a command, and of rows that hold rows their elements go into one std::vector, with a shape");
    if constexpr (is_element_v<T>)
        return DTypeOf<T>::value;
    else
        return DType::FP32;
}

}  // namespace detail

}  // namespace tr
