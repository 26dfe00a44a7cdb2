#include "protocol/json_object.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "platform/quiet_floats.h"

namespace tr::protocol {
namespace {

using nlohmann::json;

/// -1 for another letter.
int hex_digit(char letter) {
    if (letter >= '0' && letter <= '9') return letter - '0';
    if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
    if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
    return -1;
}

// JSON has no text for half a surrogate pair, and the parser refuses its escape. While it reads, this character stands
// for what it has not: followed by kByte and two digits for a byte, by kItself for itself.
constexpr std::string_view kMark = "\xef\xbf\xbf";  // U+FFFF, which is no character
constexpr char kByte = 'b';
constexpr char kItself = 'c';
constexpr std::size_t kEscape = 6;  // the length of \u0000

/// The digits of an escape "\\uXXXX" at a place of a text; -1 when none stands there.
int escape_at(std::string_view text, std::size_t at) {
    if (text.size() < at + kEscape || text[at] != '\\' || text[at + 1] != 'u') return -1;
    int value = 0;
    for (std::size_t i = at + 2; i < at + kEscape; ++i) {
        const int digit = hex_digit(text[i]);
        if (digit < 0) return -1;
        value = 16 * value + digit;
    }
    return value;
}

/// Of an object; the names of members are none that anybody looks for.
void remove_marks(json& value) {
    if (value.is_string())
        value = without_marks(value.get_ref<const std::string&>());
    else if (value.is_structured())
        for (json& item : value) remove_marks(item);
}

/// The length of the character of UTF-8 that a text starts with; 0 when it starts with none.
std::size_t character_length(std::string_view text) {
    const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (byte(0) < 0x80) return 1;
    const std::size_t length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
    if (text.size() < length || byte(0) < 0xc2 || byte(0) > 0xf4) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
    const bool overlong = (byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xf0 && byte(1) < 0x90);
    const bool no_character = (byte(0) == 0xed && byte(1) > 0x9f) || (byte(0) == 0xf4 && byte(1) > 0x8f);
    return overlong || no_character ? 0 : length;
}

}  // namespace

void require_no_marks(const std::string& text, const char* what) {
    if (text.compare(0, 3, "\xef\xbb\xbf") == 0)
        throw InputError(std::string(what) + " is not JSON: it starts with a byte order mark");
    if (text.find('\0') != std::string::npos) throw InputError(std::string(what) + " is not JSON: it holds a NUL");
}

std::optional<std::string> with_marks(const std::string& text) {
    constexpr int kFirstByte = 0xdc80;
    constexpr int kLastByte = 0xdcff;
    std::string marked;
    bool any = false;
    for (std::size_t at = 0; at < text.size();) {
        const int code = escape_at(text, at);
        if (code >= 0xd800 && code < 0xdc00 && escape_at(text, at + kEscape) >= 0xdc00) {  // a whole pair
            marked.append(text, at, 2 * kEscape);
            at += 2 * kEscape;
        } else if (code >= kFirstByte && code <= kLastByte) {
            any = true;
            marked.append(kMark) += kByte;
            marked.append(text, at + 4, 2);
            at += kEscape;
        } else if (code == 0xffff || text.compare(at, kMark.size(), kMark) == 0) {
            marked.append(kMark) += kItself;
            at += code == 0xffff ? kEscape : kMark.size();
        } else {
            const std::size_t length = code >= 0 ? kEscape : text[at] == '\\' ? 2 : 1;
            marked.append(text, at, length);
            at += length;
        }
    }
    return any ? std::optional(std::move(marked)) : std::nullopt;
}

std::string without_marks(const std::string& text) {
    std::string plain;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t mark = std::min(text.find(kMark, at), text.size());
        plain.append(text, at, mark - at);
        at = mark + kMark.size();
        if (mark == text.size()) break;
        if (text[at] == kItself) {
            plain.append(kMark);
            at += 1;
        } else {
            plain += static_cast<char>(16 * hex_digit(text[at + 1]) + hex_digit(text[at + 2]));
            at += 3;
        }
    }
    return plain;
}

std::string quote_json(std::string_view text) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string out = "\"";
    std::size_t start = 0;
    const auto flush = [&](std::size_t end) {
        const std::string part = json(text.substr(start, end - start)).dump();
        out.append(part, 1, part.size() - 2);
    };
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = character_length(text.substr(at));
        if (length == 0) {
            const auto byte = static_cast<unsigned char>(text[at]);
            flush(at);
            out.append("\\udc") += kDigits[byte >> 4];
            out += kDigits[byte & 15];
            start = ++at;
        }
        at += length;
    }
    flush(text.size());
    return out += '"';
}

json::parser_callback_t keep_shallow(int max_depth) {
    return [max_depth](int depth, json::parse_event_t event, const json&) {
        if ((event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) &&
            depth >= max_depth)
            throw InputError("nested more than " + std::to_string(max_depth) + " deep");
        return true;
    };
}

json parse_object(const std::string& text, const char* what, int max_depth) {
    const platform::QuietFloats quiet;
    require_no_marks(text, what);
    // The number of brackets bounds the depth, so only a text with many of them is watched, which takes longer.
    const bool shallow = std::count_if(text.begin(), text.end(),
                                       [](char letter) { return letter == '{' || letter == '['; }) <= max_depth;
    json object;
    try {
        const auto marked = text.find("\\u") == std::string::npos ? std::nullopt : with_marks(text);
        object = json::parse(marked ? *marked : text, shallow ? nullptr : keep_shallow(max_depth));
        if (marked) remove_marks(object);
    } catch (const InputError& error) {
        throw InputError(std::string(what) + ": " + error.what());
    } catch (const json::exception& error) {
        throw InputError(std::string(what) + " is not JSON: " + error.what());
    }
    if (!object.is_object())
        throw InputError(std::string(what) + ": expected a JSON object, found " + object.type_name());
    return object;
}

std::string text_member(const json& object, const char* name, const char* what) {
    const auto member = object.find(name);
    if (member == object.end() || member->is_null()) return {};
    if (!member->is_string())
        throw InputError(std::string(what) + ": expected text in '" + name + "', found " + member->type_name());
    return member->get<std::string>();
}

std::vector<std::string> texts_member(const json& object, const char* name, const char* what) {
    std::vector<std::string> texts;
    const auto member = object.find(name);
    if (member == object.end() || member->is_null()) return texts;
    if (!member->is_array())
        throw InputError(std::string(what) + ": expected a list in '" + name + "', found " + member->type_name());
    for (const json& item : *member) {
        if (!item.is_string())
            throw InputError(std::string(what) + ": expected texts in '" + name + "', found " + item.type_name());
        texts.push_back(item.get<std::string>());
    }
    return texts;
}

}  // namespace tr::protocol
