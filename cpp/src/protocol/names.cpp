#include "protocol/names.h"

#include <algorithm>

#include "tech_renaissance/utils/tr_exception.h"

namespace tr::protocol {

bool is_tag(const std::string& name) {
    // Not std::isalnum, which asks the locale.
    const auto alphanumeric = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    constexpr std::size_t kLongest = 128;
    return !name.empty() && name.size() <= kLongest && alphanumeric(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [&alphanumeric](char c) { return alphanumeric(c) || c == '.' || c == '-'; });
}

void require_tag(const std::string& name, const char* what) {
    if (!is_tag(name))
        throw InputError(
            "'" + name + "' cannot be " + what +
            ": expected 1 to 128 letters, digits, '_', '-' or '.', the first of them a letter, digit or '_'");
}

}  // namespace tr::protocol
