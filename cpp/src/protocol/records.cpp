#include "protocol/records.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "protocol/json_object.h"
#include "protocol/message.h"
#include "protocol/names.h"

namespace tr::protocol {
namespace {

using nlohmann::json;

constexpr const char* kHello = "hello.json";

}  // namespace

bool Hello::has_feature(std::string_view name) const {
    return std::find(features.begin(), features.end(), name) != features.end();
}

Hello parse_hello(const std::string& text) {
    const json object = parse_object(text, kHello);
    Hello hello;
    hello.protocol = integer_member<std::int64_t>(object, "protocol", kHello);
    if (hello.protocol != kProtocolVersion)
        throw InputError("the worker speaks version " + std::to_string(hello.protocol) +
                         " of the session protocol and this library version " + std::to_string(kProtocolVersion) +
                         ": use the tech_renaissance package that came with the library");
    hello.epoch = integer_member<std::uint64_t>(object, "epoch", kHello);
    hello.pid = integer_member<std::int64_t>(object, "pid", kHello);
    hello.python = text_member(object, "python", kHello);
    hello.wake_up = text_member(object, "wake_up", kHello);
    hello.carrier = text_member(object, "carrier", kHello);
    hello.mailbox = text_member(object, "mailbox", kHello);
    hello.fallback = text_member(object, "fallback", kHello);
    hello.executable = text_member(object, "executable", kHello);
    hello.server = text_member(object, "server", kHello);
    hello.commands = texts_member(object, "commands", kHello);
    hello.refused = text_member(object, "refused", kHello);
    hello.features = texts_member(object, "features", kHello);
    hello.endpoints = endpoint_names(object);
    if (hello.has_feature(kEndpointsFeature))
        hello.table =
            std::make_shared<const Endpoints>(parse_endpoints(object), object.value("main_logic", json()) == true);
    return hello;
}

void require_arguments_feature(const std::optional<Hello>& hello, const std::string& command) {
    if (hello && hello->has_feature(kArgumentsFeature)) return;
    throw InputError(
        "'" + command.substr(0, 200) +
        "' cannot be sent with arguments: the worker's package is an older one, which would pass over them; "
        "use the tech_renaissance package that came with the library, or put them into the parameters");
}

std::optional<Where> parse_where(const std::string& text, std::optional<std::uint64_t> request) {
    try {
        const json object = parse_object(text, kWhereFile);
        const auto found = object.find(request ? std::to_string(*request) : "start");
        if (found == object.end() || !found->is_object()) return std::nullopt;
        Where where{text_member(*found, "place", kWhereFile), text_member(*found, "stack", kWhereFile)};
        return where.place.empty() ? std::nullopt : std::optional(std::move(where));
    } catch (const InputError&) {
        return std::nullopt;
    }
}

void require_names_feature(const std::optional<Hello>& hello, const std::string& command) {
    if (hello && hello->has_feature(kNamesFeature)) return;
    throw InputError(
        "'" + command.substr(0, 200) +
        "' cannot be sent with names for its tensors: the worker's package is an older one, which would pass over "
        "them; use the tech_renaissance package that came with the library, or send the tensors in order, without "
        "names");
}

std::string encode_session(const SessionRecord& record) {
    json object{{"protocol", kProtocolVersion}, {"session_id", record.session_id},
                {"host_pid", record.host_pid},  {"host_start_time", record.host_start_time},
                {"epoch", record.epoch},        {"carriers", record.carriers},
                {"wake_up", record.wake_up},    {"limits", json::object()},
                {"timestamp", now_ms()}};
    if (record.tags_of) object["tags_of"] = *record.tags_of;
    if (!record.features.empty()) object["features"] = record.features;
    return object.dump(2);
}

std::optional<SessionRecord> parse_session(const std::string& text) {
    constexpr const char* kSession = "session.json";
    try {
        const json object = parse_object(text, kSession);
        SessionRecord record;
        record.session_id = text_member(object, "session_id", kSession);
        record.host_pid = integer_member<std::int64_t>(object, "host_pid", kSession);
        record.host_start_time = text_member(object, "host_start_time", kSession);
        record.epoch = integer_member<std::uint64_t>(object, "epoch", kSession);
        return record;
    } catch (const InputError&) {
        return std::nullopt;
    }
}

}  // namespace tr::protocol
