#pragma once

#include <complex>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>

#include "tech_renaissance/data/dtype.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

/// Names a type without a value of it: for `visitor(TypeTag<float>{})`.
template <class T>
struct TypeTag {
    using type = T;
};

/// Calls `visitor` with the TypeTag of the C++ type of `dtype`.
template <class Visitor>
decltype(auto) visit_dtype(DType dtype, Visitor&& visitor) {
    switch (dtype) {
        case DType::FP32:
            return visitor(TypeTag<float>{});
        case DType::INT8:
            return visitor(TypeTag<std::int8_t>{});
        case DType::INT32:
            return visitor(TypeTag<std::int32_t>{});
        case DType::FP16:
            return visitor(TypeTag<float16>{});
        case DType::BF16:
            return visitor(TypeTag<bfloat16>{});
        case DType::FP64:
            return visitor(TypeTag<double>{});
        case DType::INT16:
            return visitor(TypeTag<std::int16_t>{});
        case DType::UINT8:
            return visitor(TypeTag<std::uint8_t>{});
        case DType::INT64:
            return visitor(TypeTag<std::int64_t>{});
        case DType::BOOL:
            return visitor(TypeTag<bool>{});
        case DType::UINT16:
            return visitor(TypeTag<std::uint16_t>{});
        case DType::UINT32:
            return visitor(TypeTag<std::uint32_t>{});
        case DType::UINT64:
            return visitor(TypeTag<std::uint64_t>{});
        case DType::COMPLEX64:
            return visitor(TypeTag<std::complex<float>>{});
        case DType::COMPLEX128:
            return visitor(TypeTag<std::complex<double>>{});
        case DType::FP8_E4M3FN:
            return visitor(TypeTag<float8_e4m3fn>{});
        case DType::FP8_E5M2:
            return visitor(TypeTag<float8_e5m2>{});
    }
    throw InputError("cannot use " + to_string(dtype) + " as a dtype, expected a number from 1 to 17");
}

template <class T>
inline constexpr bool is_complex_v = std::is_same_v<T, std::complex<float>> || std::is_same_v<T, std::complex<double>>;

/// The type that calculates with elements of type T without loss: double, complex<double>, int64, uint64 or bool.
template <class T>
using Wide = std::conditional_t<
    is_complex_v<T>, std::complex<double>,
    std::conditional_t<std::is_same_v<T, bool>, bool,
                       std::conditional_t<!std::is_integral_v<T>, double,
                                          std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>>>>;

template <class T>
Wide<T> widen(const T& value) {
    if constexpr (is_complex_v<T>) {
        return {value.real(), value.imag()};
    } else if constexpr (std::is_arithmetic_v<T>) {
        return value;
    } else {
        return static_cast<float>(value);
    }
}

/// Element `index` of an array at any address, aligned for T or not. Any byte but 0 is a true bool.
template <class T>
Wide<T> load(const void* data, std::int64_t index) {
    const unsigned char* bytes = static_cast<const unsigned char*>(data) + static_cast<std::size_t>(index) * sizeof(T);
    if constexpr (std::is_same_v<T, bool>) {
        return *bytes != 0;
    } else {
        T value;
        std::memcpy(&value, bytes, sizeof(T));
        return widen(value);
    }
}

}  // namespace tr
