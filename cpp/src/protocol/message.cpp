#include "protocol/message.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "protocol/names.h"
#include "protocol/plain_message.h"
#include "protocol/response_reader.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::protocol {
namespace {

using nlohmann::json;

constexpr const char* kBlank = " \t\r\n";

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// A member that must be a string where it is there.
std::string text_member(const json& object, const char* name, const char* what) {
    const auto member = object.find(name);
    if (member == object.end() || member->is_null()) return {};
    if (!member->is_string())
        throw InputError(std::string(what) + ": expected text in '" + name + "', found " + member->type_name());
    return member->get<std::string>();
}

template <class Integer>
Integer integer_member(const json& object, const char* name, const char* what) {
    const auto member = object.find(name);
    if (member == object.end()) return 0;
    if (!member->is_number_integer())
        throw InputError(std::string(what) + ": expected an integer in '" + name + "', found " + member->type_name());
    return member->get<Integer>();
}

/// The texts in a list; whatever else stands there is passed over.
std::vector<std::string> texts_member(const json& object, const char* name) {
    std::vector<std::string> texts;
    const auto member = object.find(name);
    if (member == object.end() || !member->is_array()) return texts;
    for (const auto& item : *member)
        if (item.is_string()) texts.push_back(item.get<std::string>());
    return texts;
}

void require_size(const std::string& text, const char* what, const char* advice = "") {
    if (text.size() > kMaxMessageBytes)
        throw InputError(std::string(what) + " of " + std::to_string(text.size()) + " bytes is over the limit of " +
                             std::to_string(kMaxMessageBytes) + advice,
                         ErrorCode::request_too_large);
}

/// What the parser lets pass and JSON does not: a byte order mark, and a NUL, which it takes for the end of the text.
void require_no_marks(const std::string& text, const char* what) {
    if (text.compare(0, 3, "\xef\xbb\xbf") == 0)
        throw InputError(std::string(what) + " is not JSON: it starts with a byte order mark");
    if (text.find('\0') != std::string::npos) throw InputError(std::string(what) + " is not JSON: it holds a NUL");
}

/// Refuses what is nested deeper than anything that we would build a tree of.
bool keep_shallow(int depth, json::parse_event_t event, json&) {
    if (event != json::parse_event_t::object_start && event != json::parse_event_t::array_start) return true;
    if (depth >= static_cast<int>(kMaxDepth))
        throw InputError("nested more than " + std::to_string(kMaxDepth) + " deep");
    return true;
}

json parse_object(const std::string& text, const char* what) {
    require_no_marks(text, what);
    json object;
    try {
        object = json::parse(text, keep_shallow);
    } catch (const InputError& error) {
        throw InputError(std::string(what) + ": " + error.what());
    } catch (const json::exception& error) {
        throw InputError(std::string(what) + " is not JSON: " + error.what());
    }
    if (!object.is_object())
        throw InputError(std::string(what) + ": expected a JSON object, found " + object.type_name());
    return object;
}

/// The tags in "result_0,result_1"; none at all when any item is not a tag.
std::vector<std::string> comma_separated_tags(const std::string& text) {
    std::vector<std::string> tags;
    for (std::size_t start = 0; start <= text.size();) {
        const std::size_t end = std::min(text.find(',', start), text.size());
        const std::string tag(trim(std::string_view(text).substr(start, end - start)));
        if (!is_tag(tag)) return {};
        tags.push_back(tag);
        start = end + 1;
    }
    return tags;
}

/// Adds the other spelling where it is wanted, and makes room for what is added to every request.
/// @returns the command; empty when there is none
std::string complete_request(json& object, bool both_spellings) {
    const bool older = !object.contains("command") && object.contains("cmd");
    std::string command = text_member(object, older ? "cmd" : "command", "request");
    if (both_spellings) {
        const std::string parameters = text_member(object, older ? "params" : "parameters", "request");
        object[older ? "command" : "cmd"] = command;
        object[older ? "parameters" : "params"] = parameters;
    }
    for (const char* name : {"id", "timestamp", "deadline_ms"}) object.erase(name);
    return command;
}

/// What starts with a brace is meant as JSON: a command of that name there will not be.
json parse_json_request(std::string_view text) {
    try {
        return json::parse(text, keep_shallow);
    } catch (const json::parse_error& error) {
        throw InputError("a request that starts with '{' has to be a JSON object; this one is malformed at byte " +
                         std::to_string(error.byte) + ": '" + std::string(text.substr(0, 200)) + "'");
    } catch (const json::out_of_range&) {
        throw InputError(
            "a request that starts with '{' has to be a JSON object; this one holds a number that is out of "
            "range: '" +
            std::string(text.substr(0, 200)) + "'");
    }
}

void append_quoted(std::string& out, std::string_view text) {
    if (is_plain(text))
        out.append("\"").append(text).append("\"");
    else
        out += json(text).dump();
}

/// What nearly every request is, without the detour over a tree of values.
std::string request_of(std::string_view command, std::string_view parameters, bool both_spellings) {
    constexpr std::size_t kRest = 128;
    std::string text;
    text.reserve(command.size() + parameters.size() + kRest);
    append_quoted(text.append("{\"command\":"), command);
    append_quoted(text.append(",\"parameters\":"), parameters);
    if (both_spellings) {
        append_quoted(text.append(",\"cmd\":"), command);
        append_quoted(text.append(",\"params\":"), parameters);
    }
    return text += '}';
}

}  // namespace

std::int64_t now_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Request make_request(const std::string& message, std::uint64_t id, bool both_spellings, std::int64_t deadline_ms) {
    require_size(message, "a request", "; send data of this size as a tensor");
    const std::string_view text = trim(message);
    json object;
    if (!text.empty() && text.front() == '{') object = parse_json_request(text);
    Request request;
    try {
        if (object.is_object()) {
            request.command = complete_request(object, both_spellings);
        } else {
            const auto blank = std::min(text.find_first_of(kBlank), text.size());
            request.command = text.substr(0, blank);
            request.text = request_of(request.command, trim(text.substr(blank)), both_spellings);
        }
        if (request.command.empty())
            throw InputError(
                "a request needs a command: expected 'command parameters' or {\"command\": ..., "
                "\"parameters\": ...}, found '" +
                std::string(text.substr(0, 200)) + "'");
        if (object.is_object()) request.text = object.dump();
    } catch (const json::exception&) {
        throw InputError("request '" + request.command.substr(0, 200) +
                         "' is not UTF-8, as the text of a request has to be; send other bytes as a tensor");
    }
    request.text.pop_back();  // the brace, for what every request has
    request.text.append(",\"id\":").append(std::to_string(id));
    request.text.append(",\"timestamp\":").append(std::to_string(now_ms()));
    if (deadline_ms > 0) request.text.append(",\"deadline_ms\":").append(std::to_string(deadline_ms));
    request.text += '}';
    require_size(request.text, "a request, as JSON,", "; send data of this size as a tensor");
    return request;
}

std::string encode_cancel(std::uint64_t id) {
    return json{{"id", id}}.dump();
}

Response parse_response(const std::string& text) {
    require_size(text, "response");
    if (auto plain = read_plain_response(text)) return std::move(*plain);
    require_no_marks(text, "response");
    ResponseReader reader;
    json::sax_parse(text, &reader);
    Response response = reader.take();
    if (response.older_spelling) {
        response.tensors = response.failure ? std::vector<std::string>{} : comma_separated_tags(response.text);
    } else if (!response.failure && response.text == "error" && !response.message.empty()) {
        // A server that says "error" in words alone still failed.
        response.failure = RemoteFailure{"E9999", "", response.message, ""};
    }
    return response;
}

void throw_failure(const RemoteFailure& failure, const std::string& command) {
    std::string message = "'" + command + "' failed in the worker: ";
    if (!failure.type.empty()) message += failure.type + ": ";
    message += failure.message;
    const int code = failure.code.size() == 5 && failure.code[0] == 'E' ? std::atoi(failure.code.c_str() + 1) : 9999;
    switch (static_cast<ErrorCode>(code)) {
        case ErrorCode::invalid_request:
        case ErrorCode::permission_denied:
        case ErrorCode::request_too_large:
            throw InputError(message, static_cast<ErrorCode>(code), failure.type, failure.traceback);
        case ErrorCode::not_found:
            throw NotFoundError(message, failure.type, failure.traceback);
        case ErrorCode::overloaded:
        case ErrorCode::conflict:
        case ErrorCode::cancelled:
            throw RetryError(message, static_cast<ErrorCode>(code), failure.type, failure.traceback);
        case ErrorCode::timeout:
            throw TimeoutError(message, failure.type, failure.traceback);
        case ErrorCode::quota_exhausted:
        case ErrorCode::server_error:
            throw RestartError(message, static_cast<ErrorCode>(code));
        case ErrorCode::unknown:
            break;
    }
    if (!failure.traceback.empty()) message += "\n" + failure.traceback;
    throw RemoteError(message, failure.type, failure.traceback);
}

Hello parse_hello(const std::string& text) {
    const json object = parse_object(text, "hello.json");
    Hello hello;
    hello.protocol = integer_member<std::int64_t>(object, "protocol", "hello.json");
    if (hello.protocol != kProtocolVersion)
        throw InputError("the worker speaks version " + std::to_string(hello.protocol) +
                         " of the session protocol and this library version " + std::to_string(kProtocolVersion) +
                         ": use the tech_renaissance package that came with the library");
    hello.epoch = integer_member<std::uint64_t>(object, "epoch", "hello.json");
    hello.pid = integer_member<std::int64_t>(object, "pid", "hello.json");
    hello.python = text_member(object, "python", "hello.json");
    hello.wake_up = text_member(object, "wake_up", "hello.json");
    hello.carrier = text_member(object, "carrier", "hello.json");
    hello.fallback = text_member(object, "fallback", "hello.json");
    hello.executable = text_member(object, "executable", "hello.json");
    hello.server = text_member(object, "server", "hello.json");
    hello.refused = text_member(object, "refused", "hello.json");
    hello.commands = texts_member(object, "commands");
    hello.features = texts_member(object, "features");
    return hello;
}

bool Hello::has_feature(const char* name) const {
    return std::find(features.begin(), features.end(), name) != features.end();
}

std::string encode_session(const SessionRecord& record) {
    json all{{"protocol", kProtocolVersion}, {"session_id", record.session_id},
             {"host_pid", record.host_pid},  {"host_start_time", record.host_start_time},
             {"epoch", record.epoch},        {"carriers", record.carriers},
             {"wake_up", record.wake_up},    {"limits", json::object()},
             {"timestamp", now_ms()}};
    if (record.tags_of) all["tags_of"] = *record.tags_of;
    return all.dump(2);
}

std::optional<SessionRecord> parse_session(const std::string& text) {
    try {
        const json object = parse_object(text, "session.json");
        SessionRecord record;
        record.session_id = text_member(object, "session_id", "session.json");
        record.host_pid = integer_member<std::int64_t>(object, "host_pid", "session.json");
        record.host_start_time = text_member(object, "host_start_time", "session.json");
        record.epoch = integer_member<std::uint64_t>(object, "epoch", "session.json");
        return record;
    } catch (const InputError&) {
        return std::nullopt;
    }
}

}  // namespace tr::protocol
