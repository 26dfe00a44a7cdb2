#include "protocol/message.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "platform/quiet_floats.h"
#include "protocol/json_object.h"
#include "protocol/names.h"
#include "protocol/plain_message.h"
#include "protocol/value_text.h"
#include "protocol/words.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::protocol {
namespace {

using nlohmann::json;

constexpr const char* kBlank = " \t\r\n";
constexpr const char* kTooLarge = "; send data of this size as a tensor";

std::string_view trim(std::string_view text) {
    const auto first = text.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

void require_size(const std::string& text, const char* what, const char* advice = "") {
    if (text.size() > kMaxMessageBytes)
        throw InputError(std::string(what) + " of " + std::to_string(text.size()) + " bytes is over the limit of " +
                             std::to_string(kMaxMessageBytes) + advice,
                         ErrorCode::request_too_large);
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

/// Whoever writes a request by hand and misspells a member would not hear of it, as workers pass over what they do not
/// know. Not in the older spelling, in which programs are that have always sent more.
void check_members(const json& object) {
    constexpr std::string_view kMeant[] = {"command", "parameters", "arguments", "traceparent"};
    constexpr std::string_view kOthers[] = {"cmd", "params", "id", "timestamp", "deadline_ms", "buffers"};
    const auto is_among = [](std::string_view name, const auto& names) {
        return std::find(std::begin(names), std::end(names), name) != std::end(names);
    };
    for (const auto& member : object.items()) {
        if (is_among(member.key(), kMeant) || is_among(member.key(), kOthers)) continue;
        const std::string name = member.key().substr(0, 200);
        throw InputError("request: there is no member '" + name +
                         "': " + did_you_mean(name, {std::begin(kMeant), std::end(kMeant)}) +
                         "expected 'command', 'parameters', 'arguments' or 'traceparent'; named values go into "
                         "'arguments'");
    }
}

/// Parameters may be given as an object or a list: the server gets the text of it.
void write_out(json& object, const char* name) {
    const auto found = object.find(name);
    if (found != object.end() && found->is_structured()) *found = found->dump();
}

/// Adds the other spelling where it is wanted, and makes room for what is added to every request.
/// @returns the command; empty when there is none
std::string complete_request(json& object, bool both_spellings) {
    const bool older = !object.contains("command") && object.contains("cmd");
    if (!older) check_members(object);
    write_out(object, "parameters");
    write_out(object, "params");
    std::string command = text_member(object, older ? "cmd" : "command", "request");
    if (both_spellings) {
        const std::string parameters = text_member(object, older ? "params" : "parameters", "request");
        object[older ? "command" : "cmd"] = command;
        object[older ? "parameters" : "params"] = parameters;
    }
    for (const char* name : {"id", "timestamp", "deadline_ms", "buffers"}) object.erase(name);
    return command;
}

/// What the object says itself must not be said beside it as well, and is to be of the right kind.
/// @returns whether it has arguments
bool check_attached(const json& object, const Attached& attached) {
    const auto arguments = object.find("arguments");
    const bool has_arguments = arguments != object.end() && !arguments->is_null();
    if (has_arguments && !arguments->is_object())
        throw InputError(std::string("request: expected an object in 'arguments', found ") + arguments->type_name());
    const bool has_parent = !text_member(object, "traceparent", "request").empty();
    if ((has_arguments && !attached.arguments.empty()) || (has_parent && !attached.traceparent.empty()))
        throw InputError(std::string("a request has one '") + (has_parent ? "traceparent" : "arguments") +
                         "': expected it in the request or beside it, found both");
    return has_arguments;
}

/// What starts with a brace is meant as JSON: a command of that name there will not be.
json parse_json_request(std::string_view text) {
    const platform::QuietFloats quiet;
    try {
        return json::parse(text, keep_shallow(kMaxDepth));
    } catch (const json::parse_error& error) {
        throw InputError("a request that starts with '{' has to be a JSON object; this one is malformed at byte " +
                         std::to_string(error.byte) + ": '" + std::string(text.substr(0, 200)) + "'" +
                         (text.find("\\ud") == std::string_view::npos && text.find("\\uD") == std::string_view::npos
                              ? ""
                              : "; half a character, or a byte of a file's name, can be said in the form 'command "
                                "parameters' alone"));
    } catch (const json::out_of_range&) {
        throw InputError(
            "a request that starts with '{' has to be a JSON object; this one holds a number that is out of "
            "range: '" +
            std::string(text.substr(0, 200)) + "'");
    }
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

/// The members that every request has, behind those of its own, and what is attached to it.
void finish_request(std::string& text, std::uint64_t id, std::int64_t deadline_ms, const Attached& attached) {
    text.pop_back();  // the brace
    append_number(text.append(",\"id\":"), id);
    append_number(text.append(",\"timestamp\":"), static_cast<std::uint64_t>(now_ms()));
    if (deadline_ms > 0) append_number(text.append(",\"deadline_ms\":"), static_cast<std::uint64_t>(deadline_ms));
    if (!attached.names.empty()) text.append(",\"names\":\"").append(attached.names).append("\"");
    if (!attached.traceparent.empty()) {
        if (!is_plain(attached.traceparent))
            throw InputError("a traceparent is a text like '00-<trace id>-<parent id>-<flags>', found '" +
                             attached.traceparent.substr(0, 200) + "'");
        text.append(",\"traceparent\":\"").append(attached.traceparent).append("\"");
    }
    if (!attached.arguments.empty()) {
        if (!attached.is_sound && !is_plain_object(attached.arguments))
            parse_object(attached.arguments, "arguments", kMaxDepth - 1);
        text.append(",\"arguments\":").append(attached.arguments);
    }
    text += '}';
}

void read_failure(const json& error, Response& response) {
    if (!error.is_object())
        throw InputError(std::string("response: expected an object in 'error', found ") + error.type_name());
    const auto text = [&error](const char* name) { return text_member(error, name, "response"); };
    response.failure = RemoteFailure{text("code"), text("type"), text("message"), text("traceback")};
}

/// The answer of a worker of the older bridge, which puts texts between quotes as they are: with quotes, line breaks or
/// the backslashes of a path in them it is no JSON.
std::optional<Response> read_unescaped_response(std::string_view message) {
    constexpr std::string_view kStart = "{\"cmd\": \"";
    constexpr std::string_view kBetween = "\", \"params\": \"";
    constexpr std::string_view kEnd = "\"}";
    message = trim(message);
    const auto between = message.find(kBetween);
    if (between == std::string_view::npos || message.substr(0, kStart.size()) != kStart || between < kStart.size())
        return std::nullopt;
    const auto first = between + kBetween.size();
    if (message.size() < first + kEnd.size() || message.substr(message.size() - kEnd.size()) != kEnd)
        return std::nullopt;
    Response response;
    response.older_spelling = response.names_no_tensors = true;
    response.command = message.substr(kStart.size(), between - kStart.size());
    response.text = message.substr(first, message.size() - kEnd.size() - first);
    return response;
}

/// Any response, where read_plain_response() reads those that are plain.
Response read_response(const std::string& message) {
    const json object = parse_object(message, "response");
    const auto text = [&object](const char* name) { return text_member(object, name, "response"); };
    Response response;
    response.older_spelling = !object.contains("command") && object.contains("cmd");
    // Those of the spelling that is not used are to be texts as well.
    std::string command = text("command");
    std::string result = text("result");
    std::string cmd = text("cmd");
    std::string params = text("params");
    response.command = std::move(response.older_spelling ? cmd : command);
    response.text = std::move(response.older_spelling ? params : result);
    response.message = text("message");
    response.tensors = texts_member(object, "tensors", "response");
    response.names_no_tensors = !object.contains("tensors");
    response.buffers = text("buffers");
    response.names = text("names");
    if (const auto values = object.find("values"); values != object.end() && !values->is_null()) {
        if (!values->is_object())
            throw InputError(std::string("response: expected an object in 'values', found ") + values->type_name());
        response.values = Value::from_json(message)["values"];  // with its members in order
    }
    for (const std::string& tag : response.tensors)
        if (!is_tag(tag)) throw InputError("response: '" + tag + "' in 'tensors' is not a tensor tag");
    if (const auto id = object.find("id"); id != object.end() && !id->is_null()) {
        // A zero with a sign is no unsigned number to the parser.
        if (!id->is_number_unsigned() && !(id->is_number_integer() && *id == 0))
            throw InputError(std::string("response: expected a whole number in 'id', found ") + id->type_name());
        response.id = id->get<std::uint64_t>();
    }
    if (const auto error = object.find("error"); error != object.end() && !error->is_null())
        read_failure(*error, response);
    response.more = object.value("more", json()) == true;
    response.leaving = object.value("leaving", json()) == true;
    return response;
}

}  // namespace

std::int64_t now_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Request make_request(const std::string& message, std::uint64_t id, bool both_spellings, std::int64_t deadline_ms,
                     const Attached& attached) {
    require_size(message, "a request", kTooLarge);
    const std::string_view text = message;
    const auto first = text.find_first_not_of(kBlank);
    const auto blank = std::min(text.find(' '), text.size());
    const std::string_view parameters = text.substr(std::min(blank + 1, text.size()));
    Request request;
    const bool simple = attached.is_empty() || (attached.is_sound && attached.traceparent.empty());
    if (first == 0 && blank > 0 && text.front() != '{' && !both_spellings && simple && is_plain(text)) {
        request.command = text.substr(0, blank);
        request.has_arguments = !attached.arguments.empty();
        request.text = write_plain_request(request.command, parameters, id,
                                           static_cast<std::uint64_t>(std::max<std::int64_t>(0, deadline_ms)),
                                           attached.names, attached.arguments);
        if (request.has_arguments) require_size(request.text, "a request, as JSON,", kTooLarge);
        return request;
    }
    json object;
    if (first != std::string_view::npos && text[first] == '{') object = parse_json_request(trim(text));
    request.has_arguments = !attached.arguments.empty();
    if (object.is_object()) {
        request.command = complete_request(object, both_spellings);
        request.has_arguments |= check_attached(object, attached);
        request.text = object.dump();
    } else {
        request.command = text.substr(0, blank);
        request.text = request_of(request.command, parameters, both_spellings);
    }
    if (request.command.empty())
        throw InputError(
            "a request needs a command: expected 'command parameters' or {\"command\": ..., \"parameters\": ...}, "
            "found '" +
            std::string(text.substr(0, 200)) + "'");
    finish_request(request.text, id, deadline_ms, attached);
    require_size(request.text, "a request, as JSON,", kTooLarge);
    return request;
}

std::string encode_cancel(std::uint64_t id) {
    return json{{"id", id}}.dump();
}

Response parse_response(const std::string& text) {
    require_size(text, "response");
    Response response;
    if (read_plain_response(text, response)) return response;
    try {
        response = read_response(text);
    } catch (const InputError&) {
        auto unescaped = read_unescaped_response(text);
        if (!unescaped) throw;
        response = std::move(*unescaped);
    }
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

}  // namespace tr::protocol
