#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tr::guardian {

/// How the guardian is started: as a worker of this interpreter would be.
struct Start {
    std::string interpreter;
    std::string package_directory;
    std::vector<std::string> environment;
};

/// Has the guardian see to the end of the session in this directory, should this program die: see
/// docs/decisions/0011-guardian.md. Starts it where there is none, and does not wait for it. Any thread.
/// @param worker its process; 0 where there is none yet
void watch(const std::string& directory, std::int64_t worker, const Start& start);

/// Waits until the guardian has taken note of all that was said.
/// @returns why there is none; empty when there is, and where the system has no need of one
std::string confirm();

}  // namespace tr::guardian
