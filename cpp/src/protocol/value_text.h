#pragma once

#include <string>
#include <string_view>

#include "tech_renaissance/protocol/value.h"

namespace tr::protocol {

/// Appends a value as JSON.
/// @param most_deep how many lists and objects may stand in each other
/// @throws InputError when it is deeper
void append_json(std::string& text, const Value& value, int most_deep);
/// A text as JSON, quotes included, quickly where it has none of the rare letters.
void append_quoted(std::string& text, std::string_view words);
/// A value in a message for people: JSON, cut where it is long.
std::string short_text(const Value& value);

}  // namespace tr::protocol
