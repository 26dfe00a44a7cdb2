#include "tech_renaissance/channel/wake_up.h"

#include <array>
#include <utility>

#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

constexpr std::array<std::pair<WakeUp, const char*>, 5> kNames{{
    {WakeUp::automatic, "automatic"},
    {WakeUp::futex, "futex"},
    {WakeUp::inotify, "inotify"},
    {WakeUp::watchdog, "watchdog"},
    {WakeUp::polling, "polling"},
}};

}  // namespace

std::string to_string(WakeUp wake_up) {
    for (const auto& [value, name] : kNames)
        if (value == wake_up) return name;
    return "unknown";
}

WakeUp wake_up_from_string(const std::string& name) {
    if (name == "auto") return WakeUp::automatic;
    std::string known;
    for (const auto& [value, text] : kNames) {
        if (name == text) return value;
        known += std::string(known.empty() ? "" : ", ") + text;
    }
    throw InputError("'" + name + "' is no wake-up tier; expected one of " + known);
}

}  // namespace tr
