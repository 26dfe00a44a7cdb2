#include "protocol/json_object.h"

#include <algorithm>

namespace tr::protocol {
namespace {

using nlohmann::json;

/// What the parser lets pass and JSON does not: a byte order mark, and a NUL, which it takes for the end of the text.
void require_no_marks(const std::string& text, const char* what) {
    if (text.compare(0, 3, "\xef\xbb\xbf") == 0)
        throw InputError(std::string(what) + " is not JSON: it starts with a byte order mark");
    if (text.find('\0') != std::string::npos) throw InputError(std::string(what) + " is not JSON: it holds a NUL");
}

}  // namespace

json::parser_callback_t keep_shallow(int max_depth) {
    return [max_depth](int depth, json::parse_event_t event, const json&) {
        if ((event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) &&
            depth >= max_depth)
            throw InputError("nested more than " + std::to_string(max_depth) + " deep");
        return true;
    };
}

json parse_object(const std::string& text, const char* what, int max_depth) {
    require_no_marks(text, what);
    // The number of brackets bounds the depth, so only a text with many of them is watched, which takes longer.
    const bool shallow = std::count_if(text.begin(), text.end(),
                                       [](char letter) { return letter == '{' || letter == '['; }) <= max_depth;
    json object;
    try {
        object = json::parse(text, shallow ? nullptr : keep_shallow(max_depth));
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
