#include "platform/death_signal.h"

namespace tr::platform {

void die_with_parent(pid_t) {}  // the worker looks after its host by itself

}  // namespace tr::platform
