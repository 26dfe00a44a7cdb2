// Compiled, never run: quick starts need fork, which Windows does not have.
#include "platform/channel.h"

namespace tr::platform {

std::unique_ptr<Channel> Channel::open() {
    return nullptr;
}

}  // namespace tr::platform
