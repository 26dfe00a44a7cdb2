#include <pthread.h>

#include <atomic>

#include "platform/fork.h"

namespace tr::platform {
namespace {

std::atomic<std::uint32_t> generation{0};

}  // namespace

std::uint32_t fork_generation() {
    static const int registered = ::pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1); });
    static_cast<void>(registered);
    return generation.load(std::memory_order_relaxed);
}

}  // namespace tr::platform
