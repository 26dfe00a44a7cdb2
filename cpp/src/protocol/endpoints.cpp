#include "protocol/endpoints.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "protocol/json_object.h"
#include "protocol/words.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::protocol {
namespace {

using nlohmann::json;

constexpr const char* kHello = "hello.json";

/// A member that is a list of objects; empty where it is not there.
std::vector<const json*> objects(const json& owner, const char* name) {
    std::vector<const json*> all;
    const auto found = owner.find(name);
    if (found == owner.end() || found->is_null()) return all;
    if (!found->is_array())
        throw InputError(std::string(kHello) + ": expected a list in '" + name + "', found " + found->type_name());
    for (const json& item : *found) {
        if (!item.is_object())
            throw InputError(std::string(kHello) + ": expected objects in '" + name + "', found " + item.type_name());
        all.push_back(&item);
    }
    return all;
}

std::string name_in(const json& object, const char* list) {
    std::string name = text_member(object, "name", kHello);
    if (name.empty()) throw InputError(std::string(kHello) + ": an object in '" + list + "' has no 'name'");
    return name;
}

bool is_set(const json& object, const char* name, bool otherwise) {
    const auto found = object.find(name);
    return found != object.end() && found->is_boolean() ? found->get<bool>() : otherwise;
}

Type type_in(const json& object, Symbols& symbols) {
    const auto found = object.find("type");
    return found == object.end() ? Type() : parse_type(*found, symbols);
}

Endpoint parse_endpoint(const json& object) {
    Endpoint endpoint;
    Symbols symbols;
    endpoint.name = name_in(object, "endpoints");
    endpoint.doc = text_member(object, "doc", kHello);
    endpoint.stream = is_set(object, "stream", false);
    endpoint.open = is_set(object, "open", false);
    for (const json* one : objects(object, "inputs")) {
        Input input{name_in(*one, "inputs"), type_in(*one, symbols)};
        input.required = is_set(*one, "required", true);
        input.by_name = is_set(*one, "by_name", false);
        if (const auto preset = one->find("default"); preset != one->end())
            input.preset = Value::from_json(preset->dump(-1, ' ', false, json::error_handler_t::replace));
        endpoint.inputs.push_back(std::move(input));
    }
    for (const json* one : objects(object, "outputs"))
        endpoint.outputs.push_back({name_in(*one, "outputs"), type_in(*one, symbols)});
    endpoint.symbols = symbols.count();
    return endpoint;
}

}  // namespace

std::vector<std::string_view> Endpoint::input_names() const {
    std::vector<std::string_view> names;
    for (const auto& input : inputs) names.push_back(input.name);
    return names;
}

Endpoints::Endpoints(std::vector<Endpoint> all, bool others) : all_(std::move(all)), others_(others || all_.empty()) {
    for (const auto& endpoint : all_) by_name_.emplace(endpoint.name, &endpoint);
}

const Endpoint* Endpoints::find(std::string_view name) const {
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) return found->second;
    if (others_) return nullptr;
    std::vector<std::string_view> names;
    for (const auto& endpoint : all_) names.push_back(endpoint.name);
    throw NotFoundError("unknown command '" + std::string(name.substr(0, 200)) + "': " + did_you_mean(name, names) +
                        "this server offers " + listed(names));
}

std::vector<std::string> endpoint_names(const json& hello) {
    std::vector<std::string> names;
    for (const json* endpoint : objects(hello, "endpoints")) names.push_back(name_in(*endpoint, "endpoints"));
    return names;
}

std::vector<Endpoint> parse_endpoints(const json& hello) {
    std::vector<Endpoint> all;
    for (const json* endpoint : objects(hello, "endpoints")) all.push_back(parse_endpoint(*endpoint));
    return all;
}

}  // namespace tr::protocol
