#pragma once

#include <cstdint>
#include <string>
#include <system_error>

namespace tr::channel {

/// What the operating system refused for want of room, descriptors, memory or rights: what was seen, and what to do.
/// @param path of the file or directory in question: its file system is looked at
/// @param bytes that were to be written or mapped; 0: not known
/// @returns text to put behind that of the error; empty for any other error
std::string place_advice(const std::system_error& error, const std::string& path, std::uint64_t bytes = 0);

/// The same as an exception.
/// @param attempt what was tried, when the text of the error does not say it
/// @throws RetryError when it may work later, InputError when another place or size is needed, RestartError when the
///         directory is gone, else TRException
[[noreturn]] void throw_place_error(const std::system_error& error, const std::string& path, std::uint64_t bytes = 0,
                                    const std::string& attempt = {});

/// What to say of a directory that is all but full, behind another error; empty where there is room.
std::string fullness(const std::string& directory);

}  // namespace tr::channel
