#include "platform/ping.h"

namespace tr::platform {

void make_ping(const std::string&) {}

Ping ask_ping(const std::string&, std::uint64_t, Deadline, const std::function<bool()>&) {
    return Ping::unknown;
}

}  // namespace tr::platform
