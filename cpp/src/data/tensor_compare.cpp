#include <cmath>
#include <complex>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include "data/number_text.h"
#include "data/visit_dtype.h"
#include "platform/quiet_floats.h"
#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

namespace {

bool is_nan(double value) {
    return std::isnan(value);
}
bool is_nan(std::complex<double> value) {
    return std::isnan(value.real()) || std::isnan(value.imag());
}
template <class Int>
bool is_nan(Int) {
    return false;
}

/// How far apart two elements are; never NaN, so that distances can be ordered.
template <class W>
auto distance(W left, W right) {
    if constexpr (std::is_integral_v<W>) {
        // In unsigned arithmetic the difference of any two is exact; as doubles, large ones would look equal.
        const auto high = static_cast<std::uint64_t>(left > right ? left : right);
        const auto low = static_cast<std::uint64_t>(left > right ? right : left);
        return high - low;
    } else {
        const double off = std::abs(left - right);
        return std::isnan(off) ? std::numeric_limits<double>::infinity() : off;
    }
}

/// What is_close and equal ask of each pair: equal is is_close without tolerance.
struct Tolerance {
    double rtol = 0;
    double atol = 0;
    bool equal_nan = false;

    template <class W>
    bool accepts(W left, W right) const {
        if (left == right) return true;
        if (is_nan(left) || is_nan(right)) return equal_nan && is_nan(left) && is_nan(right);
        if (rtol == 0 && atol == 0) return false;
        if constexpr (std::is_integral_v<W>) {
            return static_cast<double>(distance(left, right)) <= atol + rtol * std::abs(static_cast<double>(right));
        } else {
            const double off = distance(left, right);
            return std::isfinite(off) && off <= atol + rtol * std::abs(right);
        }
    }
};

template <class T>
struct Mismatches {
    std::int64_t count = 0;
    std::int64_t first = 0;
    std::int64_t worst = 0;
    decltype(distance(Wide<T>{}, Wide<T>{})) worst_distance = 0;
};

template <class T>
Mismatches<T> find_mismatches(const TensorView& left, const TensorView& right, const Tolerance& tolerance,
                              bool stop_at_first) {
    Mismatches<T> found;
    for (std::int64_t i = 0; i < left.numel(); ++i) {
        const auto a = load<T>(left.data(), i);
        const auto b = load<T>(right.data(), i);
        if (tolerance.accepts(a, b)) continue;
        const bool is_first = found.count++ == 0;
        if (is_first) found.first = i;
        if (stop_at_first) break;
        if (const auto off = distance(a, b); is_first || off > found.worst_distance) {
            found.worst_distance = off;
            found.worst = i;
        }
    }
    return found;
}

std::string index_text(const Shape& shape, std::int64_t flat) {
    std::int64_t index[Shape::kMaxRank] = {};
    for (std::size_t i = shape.rank(); i > 0; --i) {
        const std::int64_t dim = shape.dim(static_cast<std::int64_t>(i) - 1);
        index[i - 1] = flat % dim;
        flat /= dim;
    }
    return Shape(index, shape.rank()).to_string();
}

/// With the digits of the type itself: widened, a float 0.1 would show those of a double.
template <class T, class Value>
std::string text_as(Value value) {
    if constexpr (std::is_integral_v<Value> || std::is_same_v<T, double> || std::is_same_v<T, std::complex<double>>) {
        return number_text(value);
    } else if constexpr (is_complex_v<Value>) {
        return number_text(std::complex<float>(value));
    } else {
        // The distance of two floats can be beyond the largest.
        const bool fits = !(std::abs(value) > static_cast<double>(std::numeric_limits<float>::max()));
        return fits || std::isinf(value) ? number_text(static_cast<float>(value)) : number_text(value);
    }
}

template <class T>
std::string describe(const TensorView& left, const TensorView& right, const Mismatches<T>& found,
                     const std::string& tolerance) {
    const auto pair_text = [&](std::int64_t index) {
        return index_text(left.shape(), index) + ": " + text_as<T>(load<T>(left.data(), index)) + " against " +
               text_as<T>(load<T>(right.data(), index));
    };
    return std::to_string(found.count) + " of " + std::to_string(left.numel()) + " elements " +
           (found.count == 1 ? "differs" : "differ") + tolerance + "; first at " + pair_text(found.first) +
           "; worst at " + pair_text(found.worst) + ", off by " + text_as<T>(found.worst_distance);
}

bool compare(const TensorView& left, const TensorView& right, const Tolerance& tolerance,
             const std::string& tolerance_text, std::string* report) {
    std::string difference;
    if (left.shape() != right.shape()) {
        difference = "shapes differ: " + left.shape().to_string() + " against " + right.shape().to_string();
    } else if (left.dtype() != right.dtype()) {
        difference = "dtypes differ: " + to_string(left.dtype()) + " against " + to_string(right.dtype());
    } else {
        return visit_dtype(left.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            const Mismatches<T> found = find_mismatches<T>(left, right, tolerance, report == nullptr);
            if (found.count != 0 && report != nullptr) *report = describe<T>(left, right, found, tolerance_text);
            return found.count == 0;
        });
    }
    if (report != nullptr) *report = difference;
    return false;
}

}  // namespace

bool Tensor::is_close(const TensorView& other, double rtol, double atol, std::string* report, bool equal_nan) const {
    const platform::QuietFloats quiet;
    const std::string tolerance_text = " (rtol " + number_text(rtol) + ", atol " + number_text(atol) + ")";
    if (!(rtol >= 0 && atol >= 0)) {
        throw InputError("cannot compare with the tolerance" + tolerance_text + ", expected numbers of 0 or more");
    }
    return compare(*this, other, {rtol, atol, equal_nan}, tolerance_text, report);
}

bool Tensor::equal(const TensorView& other, std::string* report) const {
    const platform::QuietFloats quiet;
    return compare(*this, other, {}, "", report);
}

}  // namespace tr
