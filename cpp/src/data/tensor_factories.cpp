#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <random>
#include <type_traits>

#include "data/number_text.h"
#include "data/visit_dtype.h"
#include "platform/quiet_floats.h"
#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

namespace {

template <class W>
[[noreturn]] void refuse(W value, DType dtype) {
    throw InputError("cannot make a tensor of dtype " + to_string(dtype) + " from the value " + number_text(value) +
                     ", which it cannot hold; give a dtype that can");
}

/// Fractions are dropped, as PyTorch does; what is out of range is refused.
template <class Int, class W>
Int to_integer(W value) {
    using Limits = std::numeric_limits<Int>;
    constexpr DType dtype = DTypeOf<Int>::value;
    if constexpr (std::is_same_v<W, double>) {
        const double whole = std::trunc(value);
        // The upper limit plus one is a power of two, which a double holds exactly; NaN fails both comparisons.
        const double upper = std::ldexp(1.0, Limits::digits);
        if (!(whole >= static_cast<double>(Limits::min()) && whole < upper)) refuse(value, dtype);
        return static_cast<Int>(whole);
    } else if constexpr (std::is_same_v<W, std::int64_t>) {
        if (value < 0 && (!Limits::is_signed || value < static_cast<std::int64_t>(Limits::min()))) refuse(value, dtype);
        if (value > 0 && static_cast<std::uint64_t>(value) > static_cast<std::uint64_t>(Limits::max())) {
            refuse(value, dtype);
        }
        return static_cast<Int>(value);
    } else {
        if (static_cast<std::uint64_t>(value) > static_cast<std::uint64_t>(Limits::max())) refuse(value, dtype);
        return static_cast<Int>(value);
    }
}

/// Rounds to the nearest; a value that would come out as another, such as a finite one as infinity, is refused.
template <class Float>
Float to_floating(double value) {
    if constexpr (std::is_same_v<Float, float8_e4m3fn>) {
        // There is no infinity to tell by; 464 is the last that rounds to the largest, 448.
        if (std::abs(value) > 464) refuse(value, DType::FP8_E4M3FN);
    }
    if constexpr (std::is_same_v<Float, double>) {
        return value;
    } else {
        // Beyond this a double is no float at all, and converting it is undefined.
        const bool in_range = std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max());
        if (std::isfinite(value) && !in_range) refuse(value, DTypeOf<Float>::value);
        const Float result = static_cast<Float>(static_cast<float>(value));
        if (std::isfinite(value) && !std::isfinite(static_cast<float>(result))) refuse(value, DTypeOf<Float>::value);
        return result;
    }
}

template <class T, class W>
T narrow(W value) {
    if constexpr (std::is_same_v<W, std::complex<double>>) {
        if constexpr (is_complex_v<T>) {
            using Part = typename T::value_type;
            return {to_floating<Part>(value.real()), to_floating<Part>(value.imag())};
        } else if constexpr (std::is_same_v<T, bool>) {
            return value != 0.0;
        } else {
            if (value.imag() != 0) refuse(value, DTypeOf<T>::value);
            return narrow<T>(value.real());
        }
    } else if constexpr (is_complex_v<T>) {
        return {to_floating<typename T::value_type>(static_cast<double>(value)), 0};
    } else if constexpr (std::is_same_v<T, bool>) {
        return value != W{};
    } else if constexpr (std::is_integral_v<T>) {
        return to_integer<T>(value);
    } else {
        return to_floating<T>(static_cast<double>(value));
    }
}

std::int64_t arange_count(double start, double end, double step) {
    const double count = std::ceil((end - start) / step);
    // Beyond 2^53 a double cannot count in ones any more; NaN fails both comparisons.
    if (!(count >= 0 && count <= 0x1p53) || !std::isfinite(start) || !std::isfinite(step)) {
        throw InputError("cannot count from " + number_text(start) + " to " + number_text(end) + " in steps of " +
                         number_text(step) + ", expected finite numbers, and a step other than 0 that leads there");
    }
    return static_cast<std::int64_t>(count);
}

/// 53 random bits as a number in [0, 1).
double unit_interval(std::mt19937_64& generator) {
    return static_cast<double>(generator() >> 11) * 0x1p-53;
}

}  // namespace

Tensor Tensor::full_like_scalar(const Shape& shape, const TensorView& value, DType dtype, Device device) {
    const platform::QuietFloats quiet;
    Tensor result = empty(shape, dtype, device);
    visit_dtype(value.dtype(), [&](auto source) {
        using Source = typename decltype(source)::type;
        const auto wide = load<Source>(value.data(), 0);
        visit_dtype(dtype, [&](auto target) {
            using T = typename decltype(target)::type;
            std::fill_n(result.data<T>(), result.numel(), narrow<T>(wide));
        });
    });
    return result;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
    return full(shape, 0, dtype, device);
}

Tensor Tensor::ones(const Shape& shape, DType dtype, Device device) {
    return full(shape, 1, dtype, device);
}

Tensor Tensor::arange(double end, DType dtype, Device device) {
    return arange(0, end, 1, dtype, device);
}

Tensor Tensor::arange(double start, double end, double step, DType dtype, Device device) {
    const platform::QuietFloats quiet;
    Tensor result = empty(Shape(arange_count(start, end, step)), dtype, device);
    visit_dtype(dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (std::is_same_v<T, bool> || is_complex_v<T>) {
            throw InputError("cannot count in dtype " + tr::to_string(dtype) + ", expected integers or real numbers");
        } else {
            if (std::is_integral_v<T> && (std::trunc(start) != start || std::trunc(step) != step)) {
                throw InputError("cannot count from " + number_text(start) + " in steps of " + number_text(step) +
                                 " in dtype " + tr::to_string(dtype) + ", expected whole numbers");
            }
            T* data = result.data<T>();
            for (std::int64_t i = 0; i < result.numel(); ++i) {
                data[i] = narrow<T>(start + static_cast<double>(i) * step);
            }
        }
    });
    return result;
}

Tensor Tensor::rand(const Shape& shape, std::uint64_t seed, Device device) {
    Tensor result = empty(shape, DType::FP32, device);
    std::mt19937_64 generator(seed);
    // As many bits as a float holds, so that rounding never makes a 1.
    std::generate_n(result.data<float>(), result.numel(),
                    [&] { return static_cast<float>(generator() >> 40) * 0x1p-24F; });
    return result;
}

Tensor Tensor::uniform(const Shape& shape, double low, double high, std::uint64_t seed, Device device) {
    const platform::QuietFloats quiet;
    if (!std::isfinite(high - low) || low > high)
        throw InputError("cannot draw from " + number_text(low) + " to " + number_text(high) +
                         ", expected finite numbers, the lower one first");
    narrow<float>(low);
    narrow<float>(high);
    Tensor result = rand(shape, seed, device);
    float* data = result.data<float>();
    // Rounding may reach the upper limit, which is no value of the interval.
    const float last = std::nextafter(static_cast<float>(high), static_cast<float>(low));
    std::transform(data, data + result.numel(), data, [low, high, last](float value) {
        return std::min(static_cast<float>(low + (high - low) * static_cast<double>(value)), last);
    });
    return result;
}

Tensor Tensor::randint(const Shape& shape, std::int64_t low, std::int64_t high, DType dtype, std::uint64_t seed,
                       Device device) {
    const platform::QuietFloats quiet;
    if (low >= high)
        throw InputError("cannot draw a whole number from " + std::to_string(low) + " up to but not including " +
                         std::to_string(high) + ", expected a higher one");
    Tensor result = empty(shape, dtype, device);
    std::mt19937_64 generator(seed);
    // As many of the generator's numbers for each; std::uniform_int_distribution differs between standard libraries.
    const std::uint64_t count = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
    const std::uint64_t beyond = (0 - count) % count;
    const auto draw = [&] {
        std::uint64_t number = generator();
        while (number < beyond) number = generator();
        return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + number % count);
    };
    visit_dtype(dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if constexpr (!std::is_same_v<T, bool>) {  // or all but 0 would become 1
            narrow<T>(low);
            narrow<T>(high - 1);
        } else if (low < 0 || high > 2) {
            refuse(low < 0 ? low : high - 1, dtype);
        }
        std::generate_n(result.data<T>(), result.numel(), [&] { return narrow<T>(draw()); });
    });
    return result;
}

Tensor Tensor::randn(const Shape& shape, std::uint64_t seed, Device device) {
    const platform::QuietFloats quiet;
    // Box-Muller over mt19937_64, because std::normal_distribution differs between standard libraries.
    constexpr double kTwoPi = 6.283185307179586476925286766559;
    Tensor result = empty(shape, DType::FP32, device);
    float* data = result.data<float>();
    std::mt19937_64 generator(seed);
    for (std::int64_t i = 0; i < result.numel(); i += 2) {
        const double radius = std::sqrt(-2 * std::log(1 - unit_interval(generator)));
        const double angle = kTwoPi * unit_interval(generator);
        data[i] = static_cast<float>(radius * std::cos(angle));
        if (i + 1 < result.numel()) data[i + 1] = static_cast<float>(radius * std::sin(angle));
    }
    return result;
}

}  // namespace tr
