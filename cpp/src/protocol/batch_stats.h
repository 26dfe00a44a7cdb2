#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tech_renaissance/protocol/batch_stats.h"

namespace tr::protocol {

/// What a worker tells of its batches, of each endpoint by name.
/// @param epoch of the worker that is asked about; what another one has left is passed over
/// @returns nothing for a text that is none
std::map<std::string, BatchStats> parse_batches(const std::string& text, std::uint64_t epoch);

}  // namespace tr::protocol
