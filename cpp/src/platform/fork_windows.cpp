#include "platform/fork.h"

namespace tr::platform {

std::uint32_t fork_generation() {
    return 0;  // Windows has no fork
}

}  // namespace tr::platform
