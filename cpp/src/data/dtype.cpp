#include "tech_renaissance/data/dtype.h"

#include <algorithm>
#include <cctype>
#include <ostream>

#include "data/dtype_names.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

namespace {

struct DTypeEntry {
    const char* name;
    const char* in_python;
    std::size_t size;
};

// In the order of the numbers, which start at 1.
constexpr DTypeEntry kDTypes[] = {
    {"FP32", "float32", 4},
    {"INT8", "int8", 1},
    {"INT32", "int32", 4},
    {"FP16", "float16", 2},
    {"BF16", "bfloat16", 2},
    {"FP64", "float64", 8},
    {"INT16", "int16", 2},
    {"UINT8", "uint8", 1},
    {"INT64", "int64", 8},
    {"BOOL", "bool", 1},
    {"UINT16", "uint16", 2},
    {"UINT32", "uint32", 4},
    {"UINT64", "uint64", 8},
    {"COMPLEX64", "complex64", 8},
    {"COMPLEX128", "complex128", 16},
    {"FP8_E4M3FN", "float8_e4m3fn", 1},
    {"FP8_E5M2", "float8_e5m2", 1},
};
constexpr std::int32_t kDTypeCount = sizeof(kDTypes) / sizeof(kDTypes[0]);
static_assert(kDTypeCount == static_cast<std::int32_t>(DType::FP8_E5M2));
static_assert(sizeof(bool) == 1, "BOOL tensors are used as arrays of bool");

}  // namespace

bool is_dtype(std::int32_t number) noexcept {
    return number >= 1 && number <= kDTypeCount;
}

std::size_t dtype_size(DType dtype) {
    const auto number = static_cast<std::int32_t>(dtype);
    if (!is_dtype(number)) {
        throw InputError("cannot use " + to_string(dtype) + " as a dtype, expected a number from 1 to 17");
    }
    return kDTypes[number - 1].size;
}

std::string to_string(DType dtype) {
    const auto number = static_cast<std::int32_t>(dtype);
    return is_dtype(number) ? kDTypes[number - 1].name : "DType(" + std::to_string(number) + ")";
}

const char* python_name(DType dtype) noexcept {
    const auto number = static_cast<std::int32_t>(dtype);
    return is_dtype(number) ? kDTypes[number - 1].in_python : "unknown";
}

std::ostream& operator<<(std::ostream& out, DType dtype) {
    return out << to_string(dtype);
}

DType string_to_dtype(const std::string& name) {
    const auto is_it = [&name](const std::string& known) {
        return std::equal(name.begin(), name.end(), known.begin(), known.end(),
                          [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
    };
    std::string all;
    for (std::int32_t number = 1; number <= kDTypeCount; ++number) {
        const auto& known = kDTypes[number - 1];
        if (is_it(known.name) || is_it(known.in_python)) return static_cast<DType>(number);
        all += (number == 1 ? "" : ", ") + std::string(known.name);
    }
    throw InputError("'" + name + "' is no name of a dtype: expected one of " + all +
                     ", or its name in PyTorch, such as \"float32\"");
}

}  // namespace tr
