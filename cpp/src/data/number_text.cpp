#include "data/number_text.h"

#include <array>
#include <charconv>
#include <cmath>

namespace tr {

namespace {

// The longest: the largest double in fixed notation, with its digits after the point.
using Buffer = std::array<char, 400>;

template <class Value, class... Format>
std::string to_text(Value value, Format... format) {
    if constexpr (std::is_floating_point_v<Value>) {
        if (std::isnan(value)) return "nan";
    }
    Buffer buffer;
    const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format...);
    return std::string(buffer.data(), result.ptr);
}

template <class Part>
std::string complex_text(std::complex<Part> value) {
    const std::string imaginary = number_text(value.imag());
    return number_text(value.real()) + (imaginary[0] == '-' ? "" : "+") + imaginary + "j";
}

}  // namespace

std::string number_text(double value) {
    return to_text(value);
}
std::string number_text(float value) {
    return to_text(value);
}
std::string number_text(std::complex<double> value) {
    return complex_text(value);
}
std::string number_text(std::complex<float> value) {
    return complex_text(value);
}
std::string number_text(std::int64_t value) {
    return to_text(value);
}
std::string number_text(std::uint64_t value) {
    return to_text(value);
}
std::string number_text(bool value) {
    return value ? "True" : "False";
}

std::string fixed_text(double value, int digits) {
    return to_text(value, std::chars_format::fixed, digits);
}
std::string scientific_text(double value, int digits) {
    return to_text(value, std::chars_format::scientific, digits);
}

}  // namespace tr
