// Compiled, never run: quick starts need fork, which Windows does not have.
#include "platform/line_socket.h"

namespace tr::platform {

std::unique_ptr<LineSocket> LineSocket::open() {
    return nullptr;
}

}  // namespace tr::platform
