#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tr::protocol {

/// "did you mean 'blur'? " for the nearest of some words, where it is near; else empty.
std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known);

/// "blur, sharpen".
std::string listed(const std::vector<std::string_view>& words);

}  // namespace tr::protocol
