#include "protocol/buffers.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "protocol/names.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::protocol {
namespace {

/// The next word, which is taken from the text.
std::string_view next_word(std::string_view& text) {
    const auto length = std::min(text.find(' '), text.size());
    const auto word = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    return word;
}

/// 0 lists a free entry, and is no buffer's.
bool is_inode(std::string_view word, std::uint64_t& number) {
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    return error == std::errc() && end == word.data() + word.size() && word.front() != '0';
}

/// A name in the session's directory: a hidden one, or that of another tag.
bool is_name(std::string_view name) {
    if (name.substr(0, 1) == ".") name.remove_prefix(1);
    return is_tag(std::string(name));
}

}  // namespace

void tell_places(std::string& request, const std::string& places) {
    if (places.empty()) return;
    request.pop_back();  // the brace
    request.append(",\"buffers\":\"").append(places).append("\"}");
}

std::vector<BufferPlace> parse_places(std::string_view text) {
    const auto whole = text;
    std::vector<BufferPlace> places;
    while (!text.empty()) {
        BufferPlace place;
        place.tag = next_word(text);
        const bool has_inode = is_inode(next_word(text), place.inode);
        place.name = next_word(text);
        if (whole.back() == ' ' || !has_inode || !is_name(place.name) || !is_tag(std::string(place.tag)) ||
            find_place(places, place.tag))
            throw InputError("'" + std::string(whole.substr(0, 200)) +
                             "' in 'buffers' does not tell where tensors lie: expected a tag, an inode and a "
                             "file's name for each, with a blank between two words");
        places.push_back(place);
    }
    return places;
}

const BufferPlace* find_place(const std::vector<BufferPlace>& places, std::string_view tag) {
    for (const auto& place : places)
        if (place.tag == tag) return &place;
    return nullptr;
}

}  // namespace tr::protocol
