#pragma once

#include <cstdint>

namespace tr::platform {

/// How often this process has been forked off from another since the first call: a number that is another one in a
/// child of the program. A read of memory, no system call.
std::uint32_t fork_generation();

}  // namespace tr::platform
