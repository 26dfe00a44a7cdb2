#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tr::hostile {

/// What each reader of a peer's bytes makes of an input: "refused", or "accepted" and what was understood. The Python
/// side (targets.py) says the same in the same words where both languages read the format. Anything but an answer is a
/// finding: another exception, a crash, what a sanitizer reports.
std::string tsr(std::string_view input);
std::string response(std::string_view input);
std::string plain(std::string_view input);
std::string hello(std::string_view input);
std::string session(std::string_view input);
std::string request(std::string_view input);
std::string arguments(std::string_view input);
std::string mailbox(std::string_view input);

/// @returns nullptr when there is no target of this name
using Target = std::string (*)(std::string_view);
Target find_target(const std::string& name);

}  // namespace tr::hostile
