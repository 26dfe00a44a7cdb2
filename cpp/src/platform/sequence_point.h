#pragma once

/// Named steps of the protocol, and its doorbells, for tests that kill a process at any step and that lose, delay or
/// repeat rings: see docs/reliability.md. Only tests/faults defines TR_FAULTS, for a build of these sources of its own,
/// and only there is anything behind the macros: a library has none of it.
#ifdef TR_FAULTS
#include <string>

namespace tr::faults {

/// A process comes by a step, and may not survive that. With a path the step is named for what lies there.
void reached(const char* step);
void reached(const char* step, const std::string& path);
/// How often this ring is to be heard: 1 when nothing is wrong.
int rings(const char* doorbell);

}  // namespace tr::faults

#define TR_SEQUENCE_POINT(...) ::tr::faults::reached(__VA_ARGS__)
#define TR_RINGS(doorbell) for (int tr_rings = ::tr::faults::rings(doorbell); tr_rings > 0; --tr_rings)
#else
#define TR_SEQUENCE_POINT(...) static_cast<void>(0)
#define TR_RINGS(doorbell)
#endif
