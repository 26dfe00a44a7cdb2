#include "protocol/types.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "data/dtype_names.h"
#include "protocol/json_object.h"
#include "protocol/value_text.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::protocol {
namespace {

using nlohmann::json;
using Kind = Type::Kind;

constexpr const char* kHello = "hello.json";

struct Name {
    const char* name;
    Kind kind;
    const char* in_python;
    const char* expected;
};
constexpr Name kNames[] = {
    {"any", Kind::any, "any", "anything"},
    {"tensor", Kind::tensor, "tensor", "a tensor"},
    {"int", Kind::whole, "int", "an int"},
    {"float", Kind::number, "float", "a float"},
    {"bool", Kind::boolean, "bool", "a bool"},
    {"str", Kind::text, "str", "a str"},
    {"none", Kind::none, "None", "None"},
    {"list", Kind::list, "list", "a list"},
    {"dict", Kind::dict, "dict", "a dict"},
    {"tuple", Kind::tuple, "tuple", "a list"},
    {"optional", Kind::optional, "", ""},
    {"enum", Kind::choice, "", ""},
    {"object", Kind::object, "object", "an object"},
};

const Name& name_of(Kind kind) {
    return *std::find_if(std::begin(kNames), std::end(kNames), [kind](const Name& one) { return one.kind == kind; });
}

// ---------------------------------------------------------------------------------------------------------- reading

[[noreturn]] void throw_malformed(const char* member, const json& found) {
    throw InputError(std::string(kHello) + ": a type in 'endpoints' has " + found.type_name() + " for '" + member +
                     "'");
}

const json& member(const json& object, const char* name, json::value_t kind) {
    const auto found = object.find(name);
    if (found == object.end()) throw_malformed(name, json());
    if (found->type() != kind) throw_malformed(name, *found);
    return *found;
}

/// Names that this version does not know cannot be those of a tensor that it has.
void read_tensor(Type& type, const json& object, Symbols& symbols) {
    const auto names = texts_member(object, "dtypes", kHello);
    for (std::int32_t number = 1; is_dtype(number); ++number) {
        const auto dtype = static_cast<DType>(number);
        if (std::find(names.begin(), names.end(), python_name(dtype)) != names.end()) type.dtypes.push_back(dtype);
    }
    if (type.dtypes.empty() && !names.empty()) type.kind = Kind::any;
    if (object.find("dims") == object.end()) return;
    type.dims_text = text_member(object, "dims", kHello);
    type.dims = Dims::parse(type.dims_text, symbols);
}

void read_fields(Type& type, const json& object, Symbols& symbols) {
    type.name = text_member(object, "name", kHello);
    for (const json& field : member(object, "fields", json::value_t::array)) {
        if (!field.is_object()) throw_malformed("fields", field);
        const auto required = field.find("required");
        type.fields.push_back({text_member(field, "name", kHello),
                               parse_type(member(field, "type", json::value_t::object), symbols),
                               required == field.end() || *required != false});
    }
}

void read_several(Type& type, const json& object, Symbols& symbols) {
    if (type.kind == Kind::tuple) {
        for (const json& one : member(object, "of", json::value_t::array)) type.of.push_back(parse_type(one, symbols));
    } else {
        type.of.push_back(parse_type(member(object, "of", json::value_t::object), symbols));
    }
}

// --------------------------------------------------------------------------------------------------------- checking

[[noreturn]] void throw_wrong(const Type& type, const Value& value, const std::string& where) {
    throw InputError(where + " is " + short_text(value) + ": expected " + expected(type));
}

void check(const Type& type, const Value& value, const std::string& where);

void check_members(const Type& type, const Value& value, const std::string& where) {
    if (!value.is_object()) throw_wrong(type, value, where);
    std::string known;
    for (const auto& field : type.fields) known.append(known.empty() ? "" : ", ").append(field.name);
    const std::string has = ": a " + type.name + " has " + known;
    for (const auto& field : type.fields) {
        if (const Value* found = value.find(field.name))
            check(field.type, *found, where + "." + field.name);
        else if (field.required)
            throw InputError(where + " lacks " + field.name + has);
    }
    for (const auto& [name, unused] : value.as_object())
        if (std::none_of(type.fields.begin(), type.fields.end(), [&](const Field& it) { return it.name == name; }))
            throw InputError(where + " has no member '" + name + "'" + has);
}

void check_items(const Type& type, const Value& value, const std::string& where) {
    if (!value.is_list() || (type.kind == Kind::tuple && value.size() != type.of.size()))
        throw_wrong(type, value, where);
    for (std::size_t i = 0; i < value.size(); ++i)
        check(type.of[type.kind == Kind::tuple ? i : 0], value[i], where + "[" + std::to_string(i) + "]");
}

bool is_scalar_of(Kind kind, const Value& value) {
    switch (kind) {
        case Kind::whole:
            return value.is_int();
        case Kind::number:
            return value.is_number();
        case Kind::boolean:
            return value.is_bool();
        case Kind::text:
            return value.is_text();
        case Kind::none:
            return value.is_null();
        default:
            return false;  // a tensor is no value
    }
}

void check(const Type& type, const Value& value, const std::string& where) {
    const auto same = [&](const Value& one) { return one.kind() == value.kind() && one == value; };
    switch (type.kind) {
        case Kind::any:
            return;
        case Kind::list:
        case Kind::tuple:
            return check_items(type, value, where);
        case Kind::dict:
            if (!value.is_object()) throw_wrong(type, value, where);
            for (const auto& [name, item] : value.as_object()) check(type.of.front(), item, where + "['" + name + "']");
            return;
        case Kind::optional:
            if (!value.is_null()) check(type.of.front(), value, where);
            return;
        case Kind::choice:
            if (std::none_of(type.values.begin(), type.values.end(), same)) throw_wrong(type, value, where);
            return;
        case Kind::object:
            return check_members(type, value, where);
        default:
            if (!is_scalar_of(type.kind, value)) throw_wrong(type, value, where);
    }
}

template <class Items, class Text>
std::string joined(const Items& items, const char* between, const Text& text) {
    std::string all;
    for (const auto& item : items) all.append(all.empty() ? "" : between).append(text(item));
    return all;
}

}  // namespace

Type parse_type(const json& object, Symbols& symbols) {
    if (!object.is_object()) throw_malformed("type", object);
    Type type;
    const std::string kind = text_member(object, "kind", kHello);
    const auto known =
        std::find_if(std::begin(kNames), std::end(kNames), [&](const Name& one) { return kind == one.name; });
    if (known == std::end(kNames)) return type;
    type.kind = known->kind;
    if (type.kind == Kind::tensor)
        read_tensor(type, object, symbols);
    else if (type.kind == Kind::choice)
        for (const json& value : member(object, "values", json::value_t::array))
            type.values.push_back(Value::from_json(value.dump(-1, ' ', false, json::error_handler_t::replace)));
    else if (type.kind == Kind::object)
        read_fields(type, object, symbols);
    else if (*known->in_python == '\0' || type.kind == Kind::list || type.kind == Kind::dict ||
             type.kind == Kind::tuple)
        read_several(type, object, symbols);
    return type;
}

std::string to_text(const Type& type) {
    const std::string name = name_of(type.kind).in_python;
    const auto text_of = [](const Type& one) { return to_text(one); };
    switch (type.kind) {
        case Kind::tensor: {
            const std::string dtypes = joined(type.dtypes, " or ", [](DType one) { return python_name(one); });
            const std::string dims = type.dims_text.empty() && !type.dims ? "" : " \"" + type.dims_text + "\"";
            return (dtypes.empty() ? name : dtypes) + dims;
        }
        case Kind::list:
        case Kind::tuple:
            return name + "[" + joined(type.of, ", ", text_of) + "]";
        case Kind::dict:
            return "dict[str, " + to_text(type.of.front()) + "]";
        case Kind::optional:
            return to_text(type.of.front()) + " or None";
        case Kind::choice:
            return joined(type.values, " or ", [](const Value& one) { return short_text(one); });
        case Kind::object:
            return type.name;
        default:
            return name;
    }
}

std::string expected(const Type& type) {
    switch (type.kind) {
        case Kind::list:
        case Kind::dict:
            return std::string(name_of(type.kind).expected) + ", " + to_text(type);
        case Kind::tuple:
            return std::to_string(type.of.size()) + " values, " + to_text(type);
        case Kind::optional:
            return expected(type.of.front()) + " or None";
        case Kind::choice:
            return to_text(type);
        case Kind::object:
            return "the members of a " + type.name + ": " +
                   joined(type.fields, ", ", [](const Field& one) { return one.name; });
        default:
            return name_of(type.kind).expected;
    }
}

void check_tensor(const Type& type, const TensorView& tensor, Sizes& sizes, std::string_view owner,
                  std::string_view name) {
    const auto where = [&] { return std::string(owner) + ": " + std::string(name); };
    if (type.kind != Kind::tensor) return;
    if (!type.dtypes.empty() && std::find(type.dtypes.begin(), type.dtypes.end(), tensor.dtype()) == type.dtypes.end())
        throw InputError(where() + " is " + python_name(tensor.dtype()) + ": expected " +
                         joined(type.dtypes, " or ", [](DType one) { return python_name(one); }));
    if (!type.dims) return;
    const std::string reason = type.dims->mismatch(tensor.shape(), sizes, name);
    if (!reason.empty()) throw InputError(where() + " has " + reason);
}

void check_value(const Type& type, const Value& value, std::string_view owner, std::string_view name) {
    if (type.kind == Kind::any || is_scalar_of(type.kind, value)) return;
    check(type, value, std::string(owner) + ": " + std::string(name));
}

}  // namespace tr::protocol
