// Windows shortens no file that somebody has mapped, so nothing can be lost.
#include "platform/mapping_guard.h"

namespace tr::platform {

namespace detail {
std::atomic<int> damage{0};
}  // namespace detail

MappingGuard::MappingGuard(const void*, std::size_t, const std::string&) : entry_(nullptr) {}

MappingGuard::~MappingGuard() = default;

std::string take_damage(const std::string&) {
    return {};
}

void forget_damage(const std::string&) {}

}  // namespace tr::platform
