// Systems other than Linux. Run on Linux by a build with -DTR_PLATFORM=posix; untested on those systems.
#include "platform/death_signal.h"

namespace tr::platform {

void die_with_parent(std::int64_t) {}  // the worker looks after its host by itself

}  // namespace tr::platform
