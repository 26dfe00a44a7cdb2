#pragma once

#include <cstdint>

namespace tr::platform {

/// Called in a forked child: has the kernel send it SIGHUP when the parent's thread that forked it ends, where the
/// system can do that. Makes plain system calls only.
void die_with_parent(std::int64_t parent);

}  // namespace tr::platform
