#pragma once

#include <atomic>
#include <cstdint>

#include "platform/deadline.h"

namespace tr::platform {

/// A word in memory that processes share, to wait on until another changes it. Linux; elsewhere there is none.
bool futex_available();
/// Blocks while the word holds `seen`, until futex_wake(), a signal or the deadline; may also return for no reason.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen, Deadline deadline);
void futex_wake(const std::atomic<std::uint32_t>& word);

}  // namespace tr::platform
