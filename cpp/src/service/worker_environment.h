#pragma once

#include "tech_renaissance/service/pool_options.h"

namespace tr::service {

/// Puts into the options of worker `number` what its pool says of its environment: its own entries, and how many
/// threads its libraries are to use.
/// @param among how many workers the cores of this machine are divided
/// @returns the threads; 0 where that is not known
int set_worker_environment(SessionOptions& session, const PoolOptions& options, int number, int among);

}  // namespace tr::service
