#pragma once

#include "tech_renaissance/export.h"

namespace tr::detail {

/// Called by a thread that waits for the worker, after each signal and at each re-check; it may throw, which ends the
/// wait. For bindings, whose interpreter handles signals itself.
TR_API void set_interrupt_check(void (*check)());

/// Calls what was set, if anything.
void check_interrupt();

}  // namespace tr::detail
