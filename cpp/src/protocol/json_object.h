#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tech_renaissance/utils/tr_exception.h"

/// JSON objects of the session protocol: text in, values out, bounded in size and depth. For this folder alone.
namespace tr::protocol {

/// How deep the objects and lists of a message may be nested.
inline constexpr int kMaxDepth = 64;

/// For the parser: refuses what is nested deeper than anything that we would build a tree of.
nlohmann::json::parser_callback_t keep_shallow(int max_depth);

/// What the parser lets pass and JSON does not: a byte order mark, and a NUL, which it takes for the end of the text.
/// @throws InputError
void require_no_marks(const std::string& text, const char* what);
/// A JSON text with marks, which the parser reads, in place of escapes that stand for a byte; nothing when there are
/// none. And a text that was read from such, as it is meant.
std::optional<std::string> with_marks(const std::string& text);
std::string without_marks(const std::string& text);

/// Reads back what quote_json() makes of bytes that are not UTF-8, by which a text may hold any.
/// @param what  is read, for the error: "response", ...
/// @throws InputError when the text is no JSON object, or nested deeper
nlohmann::json parse_object(const std::string& text, const char* what, int max_depth = kMaxDepth);

/// A text as JSON, quotes included. A byte that is not UTF-8, as in the names of files, becomes the half of a surrogate
/// pair that stands for it in Python (PEP 383): "\\udcff" for 0xff.
std::string quote_json(std::string_view text);

/// A member that must be a string where it is there; null stands for one that is not.
std::string text_member(const nlohmann::json& object, const char* name, const char* what);

/// A member that must be a list of strings where it is there.
std::vector<std::string> texts_member(const nlohmann::json& object, const char* name, const char* what);

template <class Integer>
Integer integer_member(const nlohmann::json& object, const char* name, const char* what) {
    const auto member = object.find(name);
    if (member == object.end()) return 0;
    if (!member->is_number_integer())
        throw InputError(std::string(what) + ": expected an integer in '" + name + "', found " + member->type_name());
    return member->get<Integer>();
}

}  // namespace tr::protocol
