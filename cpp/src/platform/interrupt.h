#pragma once

#include <atomic>

#include "tech_renaissance/export.h"

namespace tr::detail {

/// Called by a thread that waits for the worker, after each signal and at each re-check; it may throw, which ends the
/// wait. For bindings, whose interpreter handles signals itself.
TR_API void set_interrupt_check(void (*check)());

/// Has waits on this thread end with a RetryError (E4002) once the flag is true: at their next look, which
/// detail::Waits::wake(session) causes.
/// @param flag of the caller, who sets another, or nullptr for none, before it goes
/// @returns the one before
TR_API const std::atomic<bool>* set_stop_flag(const std::atomic<bool>* flag);

/// Throws when the flag of this thread is true.
void check_stop_flag();

/// The same, and calls what was set, if anything.
void check_interrupt();

}  // namespace tr::detail
