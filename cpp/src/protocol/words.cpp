#include "protocol/words.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace tr::protocol {
namespace {

constexpr std::size_t kLongest = 200;  ///< of a word that is looked at, as each costs its length times another's

/// How many letters have to be changed, added or taken away to make one word of another.
std::size_t distance(std::string_view from, std::string_view to) {
    std::vector<std::size_t> row(to.size() + 1);
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = i;
    for (std::size_t i = 0; i < from.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < to.size(); ++j) {
            const std::size_t changed = diagonal + (from[i] == to[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
        }
    }
    return row.back();
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string_view>& known) {
    word = word.substr(0, kLongest);
    std::string_view nearest;
    std::size_t least = 1 + word.size() / 3;
    for (const auto one : known) {
        const std::size_t found = distance(word, one.substr(0, kLongest));
        if (found > least || (found == least && !nearest.empty())) continue;
        least = found;
        nearest = one;
    }
    return nearest.empty() ? "" : "did you mean '" + std::string(nearest) + "'? ";
}

std::string listed(const std::vector<std::string_view>& words) {
    std::string text;
    for (const auto word : words) text.append(text.empty() ? "" : ", ").append(word);
    return text;
}

}  // namespace tr::protocol
