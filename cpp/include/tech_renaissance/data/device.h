#pragma once

#include <cstdint>
#include <string>

#include "tech_renaissance/export.h"

namespace tr {

/// Where a tensor's memory is. The tensors of this library are in main memory; what a worker computes on a GPU
/// arrives here on the CPU.
struct Device {
    enum class Type : std::int32_t { cpu = 0 };
    Type type = Type::cpu;

    friend constexpr bool operator==(Device left, Device right) noexcept { return left.type == right.type; }
    friend constexpr bool operator!=(Device left, Device right) noexcept { return !(left == right); }
};

inline constexpr Device CPU{};

/// "cpu".
TR_API std::string to_string(Device device);

}  // namespace tr
