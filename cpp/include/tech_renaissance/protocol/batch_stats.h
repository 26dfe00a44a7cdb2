#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tech_renaissance/export.h"

namespace tr {

/// What became of the calls of one endpoint with a `max_batch_size`, as its worker has counted: rows make a batch
/// large, whoever has sent them.
struct TR_API BatchStats {
    std::map<std::uint64_t, std::uint64_t> rows;  ///< how many batches there were of each number of rows
    /// And how many were closed for each reason: "full", "nobody else" could call, "delay", "other arguments" or
    /// "another command" came next.
    std::map<std::string, std::uint64_t> closed;
    std::uint64_t calls = 0;   ///< in all of them
    std::uint64_t failed = 0;  ///< batches that were run again, call by call, as the method had raised

    std::uint64_t batches() const;
    double mean_rows() const;  ///< 0 where there was no batch
    /// Those of another worker besides.
    BatchStats& operator+=(const BatchStats& other);
};

}  // namespace tr
