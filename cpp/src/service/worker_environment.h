#pragma once

#include <string>

#include "tech_renaissance/service/pool_options.h"

namespace tr::service {

/// What a worker has of this machine, as its environment says it.
struct Share {
    int threads = 0;     ///< of its libraries; 0: not known
    std::string gpus{};  ///< CUDA_VISIBLE_DEVICES
};

/// Puts into the options of worker `number` what its pool says of its environment: its own entries, how many threads
/// its libraries are to use, and its GPUs.
/// @param among how many workers the cores of this machine are divided
/// @throws InputError when there are not enough GPUs
Share set_worker_environment(SessionOptions& session, const PoolOptions& options, int number, int among);

}  // namespace tr::service
