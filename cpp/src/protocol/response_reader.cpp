#include "protocol/response_reader.h"

#include <utility>

#include "protocol/names.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::protocol {

void ResponseReader::refuse(const char* expected, const char* kind) const {
    const std::string where = place_ == Place::outside ? "" : " in '" + key_ + "'";
    throw InputError(std::string("response: expected ") + expected + where + ", found " + kind);
}

/// Where a text belongs at this place; nothing for a member that is not known.
std::string* ResponseReader::text_target() {
    if (place_ == Place::message) {
        if (key_ == "command") return &response_.command;
        if (key_ == "result") return &response_.text;
        if (key_ == "message") return &response_.message;
        if (key_ == "cmd") return &cmd_;
        if (key_ == "params") return &params_;
    } else if (place_ == Place::error) {
        if (key_ == "code") return &response_.failure->code;
        if (key_ == "type") return &response_.failure->type;
        if (key_ == "message") return &response_.failure->message;
        if (key_ == "traceback") return &response_.failure->traceback;
    }
    return nullptr;
}

bool ResponseReader::value(const char* kind) {
    if (place_ == Place::unknown) return true;
    if (place_ == Place::outside) refuse("a JSON object", kind);
    if (place_ == Place::tensors) refuse("tensor tags", kind);
    if (std::string(kind) == "null") return true;
    if (text_target() != nullptr) refuse("text", kind);
    if (place_ == Place::message && key_ == "id") refuse("a whole number", kind);
    if (place_ == Place::message && key_ == "tensors") refuse("a list", kind);
    if (place_ == Place::message && key_ == "error") refuse("an object", kind);
    return true;
}

bool ResponseReader::boolean(bool found) {
    if (place_ == Place::message && key_ == "more") {
        response_.more = found;
        return true;
    }
    return value("boolean");
}

bool ResponseReader::number_unsigned(number_unsigned_t found) {
    if (place_ == Place::message && key_ == "id") {
        response_.id = found;
        return true;
    }
    return value("number");
}

bool ResponseReader::number_integer(number_integer_t found) {
    return found == 0 ? number_unsigned(0) : value("number");  // only a sign makes 0 come here
}

bool ResponseReader::string(string_t& found) {
    if (place_ == Place::tensors) {
        if (!is_tag(found)) throw InputError("response: '" + found + "' in 'tensors' is not a tensor tag");
        response_.tensors.push_back(std::move(found));
    } else if (auto* target = text_target()) {
        *target = std::move(found);
    } else {
        value("text");
    }
    return true;
}

void ResponseReader::enter() {
    if (++depth_ > kMaxDepth) throw InputError("response: nested more than " + std::to_string(kMaxDepth) + " deep");
}

bool ResponseReader::start_object(std::size_t) {
    enter();
    if (place_ == Place::outside) {
        place_ = Place::message;
    } else if (place_ == Place::message && key_ == "error") {
        response_.failure.emplace();
        place_ = Place::error;
    } else {
        value("object");
        if (unknown_depth_++ == 0) before_unknown_ = std::exchange(place_, Place::unknown);
    }
    return true;
}

bool ResponseReader::key(string_t& found) {
    if (place_ == Place::unknown) return true;
    key_ = std::move(found);
    if (place_ == Place::message) {
        has_command_ = has_command_ || key_ == "command";
        has_cmd_ = has_cmd_ || key_ == "cmd";
    }
    return true;
}

bool ResponseReader::end_object() {
    --depth_;
    if (place_ == Place::unknown) {
        if (--unknown_depth_ == 0) place_ = before_unknown_;
    } else {
        place_ = place_ == Place::error ? Place::message : Place::outside;
    }
    return true;
}

bool ResponseReader::start_array(std::size_t) {
    enter();
    if (place_ == Place::message && key_ == "tensors") {
        response_.tensors.clear();
        place_ = Place::tensors;
    } else {
        value("array");
        if (unknown_depth_++ == 0) before_unknown_ = std::exchange(place_, Place::unknown);
    }
    return true;
}

bool ResponseReader::end_array() {
    --depth_;
    if (place_ == Place::tensors)
        place_ = Place::message;
    else if (--unknown_depth_ == 0)
        place_ = before_unknown_;
    return true;
}

bool ResponseReader::parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
    throw InputError(std::string("response is not JSON: ") + error.what());
}

Response ResponseReader::take() {
    if (has_cmd_ && !has_command_) {
        response_.older_spelling = true;
        response_.command = std::move(cmd_);
        response_.text = std::move(params_);
    }
    return std::move(response_);
}

}  // namespace tr::protocol
