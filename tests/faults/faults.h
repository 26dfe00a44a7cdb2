#pragma once

#include <cstdint>
#include <map>
#include <string>

/// What stands behind the macros of platform/sequence_point.h in this build.
namespace tr::faults {

/// From here on this process counts how often it passes each step, and dies by SIGKILL at the given passage of one.
/// @param note a file that receives the moment of death (monotonic_ns)
void arm(const std::string& step, int passage, const std::string& note);
/// Steps and passages since arm(); for one that was never to die, `step` is empty.
std::map<std::string, int> passages();

enum class RingFault { none, drop, delay, repeat };
/// From here on every `nth` ring of this process is treated so.
void disturb_rings(RingFault fault, int nth);
/// How many were.
int disturbed_rings();

/// CLOCK_MONOTONIC, which Python's time.monotonic_ns() reads as well.
std::int64_t monotonic_ns();

}  // namespace tr::faults
