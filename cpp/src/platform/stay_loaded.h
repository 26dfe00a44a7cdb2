#pragma once

namespace tr::platform {

/// From now on this library stays in memory until the process ends, also where it is part of a plug-in that is
/// unloaded: threads and a signal handler of it go on.
void stay_loaded();

}  // namespace tr::platform
