#include "tech_renaissance/protocol/value.h"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "protocol/value_text.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

Value::Value(List list) : content_(std::make_shared<const List>(std::move(list))) {}
Value::Value(Object object) : content_(std::make_shared<const Object>(std::move(object))) {}

void Value::set_number(double value) {
    if (!std::isfinite(value))
        throw InputError(std::string(std::isnan(value) ? "NaN"
                                     : value > 0       ? "infinity"
                                                       : "-infinity") +
                         " is no value of JSON: expected a finite number; a tensor may hold any");
    content_ = value;
}

void Value::throw_too_large() {
    throw InputError("a whole number is beyond 64 bits with a sign: expected one up to 9223372036854775807");
}

void Value::throw_not(const char* expected) const {
    throw InputError("the value " + protocol::short_text(*this) + " is " + to_string(kind()) + ": expected " +
                     expected);
}

bool Value::as_bool() const {
    if (const bool* value = std::get_if<bool>(&content_)) return *value;
    throw_not("a bool");
}

std::int64_t Value::as_int() const {
    if (const auto* value = std::get_if<std::int64_t>(&content_)) return *value;
    throw_not("a whole number");
}

double Value::as_double() const {
    if (const auto* value = std::get_if<double>(&content_)) return *value;
    if (const auto* value = std::get_if<std::int64_t>(&content_)) return static_cast<double>(*value);
    throw_not("a number");
}

const std::string& Value::as_text() const {
    if (const auto* value = std::get_if<std::string>(&content_)) return *value;
    throw_not("a text");
}

const Value::List& Value::as_list() const {
    if (const auto* value = std::get_if<std::shared_ptr<const List>>(&content_)) return **value;
    throw_not("a list");
}

const Value::Object& Value::as_object() const {
    if (const auto* value = std::get_if<std::shared_ptr<const Object>>(&content_)) return **value;
    throw_not("an object");
}

std::size_t Value::size() const noexcept {
    if (const auto* list = std::get_if<std::shared_ptr<const List>>(&content_)) return (*list)->size();
    if (const auto* object = std::get_if<std::shared_ptr<const Object>>(&content_)) return (*object)->size();
    return 0;
}

const Value* Value::find(std::string_view name) const noexcept {
    const auto* object = std::get_if<std::shared_ptr<const Object>>(&content_);
    if (object == nullptr) return nullptr;
    const auto is_it = [name](const Member& member) { return member.first == name; };
    const auto found = std::find_if((*object)->rbegin(), (*object)->rend(), is_it);
    return found == (*object)->rend() ? nullptr : &found->second;
}

const Value& Value::operator[](std::string_view name) const {
    if (const Value* found = find(name)) return *found;
    std::string all;
    for (const auto& member : as_object()) all.append(all.empty() ? "" : ", ").append(member.first);
    throw InputError("an object has no member '" + std::string(name) + "': it has " + (all.empty() ? "none" : all));
}

const Value& Value::operator[](std::size_t index) const {
    const List& list = as_list();
    if (index < list.size()) return list[index];
    throw InputError("a list of " + std::to_string(list.size()) + " has no item " +
                     std::to_string(static_cast<std::int64_t>(index)) + ": expected one from 0");
}

bool operator==(const Value& left, const Value& right) noexcept {
    if (left.is_number() && right.is_number() && left.kind() != right.kind())
        return left.as_double() == right.as_double();
    if (left.kind() != right.kind()) return false;
    if (left.is_list()) return left.as_list() == right.as_list();
    if (!left.is_object()) return left.content_ == right.content_;
    const auto holds = [](const Value& object, const Value::Member& member) {
        const Value* other = object.find(member.first);
        return other != nullptr && *object.find(member.first) == member.second;
    };
    const auto& members = left.as_object();
    return members.size() == right.size() &&
           std::all_of(members.begin(), members.end(), [&](const auto& member) { return holds(right, member); });
}

std::string to_string(Value::Kind kind) {
    constexpr const char* kNames[] = {"null", "a bool", "a whole number", "a number", "a text", "a list", "an object"};
    return kNames[static_cast<std::size_t>(kind)];
}

std::ostream& operator<<(std::ostream& out, const Value& value) {
    return out << value.to_json();
}

}  // namespace tr
