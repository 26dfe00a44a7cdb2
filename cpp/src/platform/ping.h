#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "platform/deadline.h"

namespace tr::platform {

/// Two FIFOs of a directory, `ping` and `pong`: what is written into the first, a thread of the peer writes into the
/// second, whatever else the peer is doing. Nobody reads or writes while nobody asks.

/// Makes the FIFOs; where the file system has none, ask_ping() says so.
void make_ping(const std::string& directory);

enum class Ping {
    answered,
    silent,   ///< the peer listens, and did not answer in time
    unknown,  ///< nobody listens (yet)
};
/// @param number one that was not asked with before
/// @param enough asked every 10 ms: nothing more is to be waited for, and the peer passes for silent
Ping ask_ping(const std::string& directory, std::uint64_t number, Deadline deadline,
              const std::function<bool()>& enough);

}  // namespace tr::platform
