#pragma once

#include <filesystem>
#include <istream>
#include <memory>

namespace tr::platform {

/// A file from its start, links followed. Others may replace or remove it meanwhile.
/// @returns a stream that has failed where it cannot be opened; errno says why
std::unique_ptr<std::istream> open_input(const std::filesystem::path& path);

}  // namespace tr::platform
