#pragma once

#include <atomic>
#include <cstdint>

namespace tr::platform {

/// How often this process has been forked off from another since the first call: a number that is another one in a
/// child of the program. A read of memory, no system call.
std::uint32_t fork_generation();

/// Has a fork of this program close a descriptor, whose number is free for others there. Past a thousand it is not
/// done.
void close_in_forks(int descriptor);
/// No more, as it is about to be closed here.
void keep_in_forks(int descriptor);

/// The one T of this process. A fork of the program gets another: the parent's may have been copied in the middle of a
/// change, its mutex held by a thread that the fork does not have. Never destroyed, as what uses it may be static too.
template <class T>
T& process_wide() {
    struct Own {
        const std::uint32_t generation = fork_generation();
        T object;
    };
    static std::atomic<Own*> current{nullptr};
    Own* own = current.load(std::memory_order_acquire);
    if (own != nullptr && own->generation == fork_generation()) return own->object;
    auto* made = new Own;
    if (current.compare_exchange_strong(own, made)) return made->object;
    delete made;  // another thread was first
    return own->object;
}

}  // namespace tr::platform
