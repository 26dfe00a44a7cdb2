#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>

#include "platform/fork.h"

namespace tr::platform {
namespace {

std::atomic<std::uint32_t> generation{0};

constexpr int kFree = 0;  // which is no descriptor that anybody would have closed
std::array<std::atomic<int>, 1024> to_close{};

/// In the fork, where nothing may be waited for.
void enter_fork() {
    generation.fetch_add(1);
    for (auto& descriptor : to_close)
        if (const int number = descriptor.exchange(kFree); number != kFree) ::close(number);
}

bool replace(int number, int by) {
    for (auto& descriptor : to_close) {
        int expected = number;
        if (descriptor.compare_exchange_strong(expected, by)) return true;
    }
    return false;
}

}  // namespace

void close_in_forks(int descriptor) {
    replace(kFree, descriptor);
}

void keep_in_forks(int descriptor) {
    replace(descriptor, kFree);
}

std::uint32_t fork_generation() {
    static const int registered = ::pthread_atfork(nullptr, nullptr, enter_fork);
    static_cast<void>(registered);
    return generation.load(std::memory_order_relaxed);
}

}  // namespace tr::platform
