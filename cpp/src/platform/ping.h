#pragma once

#include <cstdint>
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
Ping ask_ping(const std::string& directory, std::uint64_t number, Deadline deadline);

}  // namespace tr::platform
