#pragma once

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "platform/deadline.h"

namespace tr::platform {

/// A word in memory that processes share, to wait on until another changes it. Linux; elsewhere there is none.
bool futex_available();
/// Blocks while the word holds `seen`, until futex_wake(), a signal or the deadline; may also return for no reason.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t seen, Deadline deadline);
void futex_wake(const std::atomic<std::uint32_t>& word);

/// Words, each with the value that it is seen to hold.
using FutexWords = std::vector<std::pair<const std::atomic<std::uint32_t>*, std::uint32_t>>;
/// Blocks while all of them hold these values, else as futex_wait().
/// @returns false where this system cannot wait for several, or not for so many; nothing was waited for then
bool futex_wait_any(const FutexWords& words, Deadline deadline);

}  // namespace tr::platform
