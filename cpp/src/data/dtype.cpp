#include "tech_renaissance/data/dtype.h"

#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

namespace {

struct DTypeEntry {
    const char* name;
    std::size_t size;
};

// In the order of the numbers, which start at 1.
constexpr DTypeEntry kDTypes[] = {
    {"FP32", 4},   {"INT8", 1},      {"INT32", 4},       {"FP16", 2},       {"BF16", 2},     {"FP64", 8},
    {"INT16", 2},  {"UINT8", 1},     {"INT64", 8},       {"BOOL", 1},       {"UINT16", 2},   {"UINT32", 4},
    {"UINT64", 8}, {"COMPLEX64", 8}, {"COMPLEX128", 16}, {"FP8_E4M3FN", 1}, {"FP8_E5M2", 1},
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

}  // namespace tr
