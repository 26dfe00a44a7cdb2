#pragma once

#include "worker/log.h"
#include "worker/worker.h"

namespace tr::worker {

/// Ends a worker of ours that has not ended: SIGTERM, and SIGKILL when that is not enough. Returns when it has. One of
/// another program is let go of: it counts as ended here.
void stop(const Worker& worker, SessionLog& log);

}  // namespace tr::worker
