#pragma once

#include <string>

#include "tech_renaissance/export.h"

namespace tr {

/// How each side learns that the other has written something; PROTOCOL "Carriers and wake-ups".
enum class WakeUp {
    automatic,  ///< the best that works here
    futex,      ///< mapped mailbox and futex (Linux)
    inotify,    ///< files, Linux file notification
    watchdog,   ///< files; the worker uses Python's watchdog, this side the best it has for files
    polling,    ///< files, looked at every 32 ms to 1024 ms
};

/// "automatic", "futex", ...: the spelling of $TR_WAKEUP and of stats().
TR_API std::string to_string(WakeUp wake_up);
/// @throws InputError for any other word.
TR_API WakeUp wake_up_from_string(const std::string& name);

}  // namespace tr
