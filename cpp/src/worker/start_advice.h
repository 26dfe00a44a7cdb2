#pragma once

#include <string>

#include "worker/worker.h"

namespace tr::worker {

/// What may be wrong where a worker has died before it was ready, and the line that mends it; empty for anything that
/// is not recognised.
/// @param log the end of what it wrote
std::string start_advice(const Launched& launched, const std::string& log);

/// The same where it is not ready in time: the module of the older bridge beside its script, which knows another
/// workspace.
std::string older_module_advice(const Launched& launched);

}  // namespace tr::worker
