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

std::string input_tag(std::size_t index) {
    constexpr std::size_t kLetters = 26;
    return index < kLetters ? std::string(1, static_cast<char>('a' + index)) : "input_" + std::to_string(index);
}

std::string with_input_tags(const std::string& command, std::size_t count) {
    const auto blank = command.find(' ');
    std::string message = command.substr(0, blank);
    for (std::size_t i = 0; i < count; ++i) message.append(i == 0 ? " " : ",").append(input_tag(i));
    if (blank != std::string::npos) message += command.substr(blank);
    return message;
}

std::vector<std::pair<std::string_view, std::string_view>> parse_names(std::string_view text) {
    const auto whole = text;
    const auto next_word = [&text] {
        const auto word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        return word;
    };
    std::vector<std::pair<std::string_view, std::string_view>> names;
    while (!text.empty()) {
        const auto tag = next_word();
        const auto name = next_word();
        const bool again = std::any_of(names.begin(), names.end(),
                                       [&](const auto& other) { return other.first == tag || other.second == name; });
        if (whole.back() == ' ' || again || !is_tag(std::string(tag)) || !is_tag(std::string(name)))
            throw InputError("'" + std::string(whole.substr(0, 200)) +
                             "' in 'names' does not name tensors: expected a tag and a name for each, with a blank "
                             "between two words, and none of them twice");
        names.emplace_back(tag, name);
    }
    return names;
}

}  // namespace tr::protocol
