#pragma once

#include <cstdint>

namespace tr::platform {

/// Reserves space for a file, so that writing to a mapping of it cannot fail, which would be a fatal signal.
/// @returns 0 or the error number
int reserve(int file, std::uint64_t size);

/// Whether a file of this size is over the limit of this process: to write it would be a fatal signal as well.
bool over_file_limit(std::uint64_t size);

}  // namespace tr::platform
