#include "protocol/process_lines.h"

#include <nlohmann/json.hpp>

#include "tech_renaissance/utils/tr_exception.h"

namespace tr::protocol {

using nlohmann::json;

std::string encode_fork(const Fork& fork) {
    try {
        return json{{"fork",
                     {{"arguments", fork.arguments},
                      {"environment", fork.environment},
                      {"working_directory", fork.working_directory},
                      {"output", fork.output}}}}
            .dump();
    } catch (const json::exception&) {
        throw RestartError("a template cannot be told a path, argument or variable that is not UTF-8");
    }
}

std::string encode_reap(std::int64_t pid) {
    return json{{"reap", pid}}.dump();
}

TemplateReply parse_template_reply(const std::string& line) {
    TemplateReply reply;
    const json object = json::parse(line, nullptr, false);
    const auto member = [&object](const char* name) {
        return object.is_object() && object.contains(name) ? object[name] : json();
    };
    if (const json ready = member("ready"); ready.is_boolean()) reply.ready = ready.get<bool>();
    if (const json pid = member("pid"); pid.is_number_integer()) reply.pid = pid.get<std::int64_t>();
    if (const json status = member("status"); status.is_number_integer()) reply.status = status.get<int>();
    if (const json reason = member("reason"); reason.is_string()) reply.reason = reason.get<std::string>();
    if (reply.reason.empty() && !reply.ready && reply.pid <= 0 && !reply.status)
        reply.reason = "it said '" + line.substr(0, 200) + "'";
    return reply;
}

std::string encode_guarded(const std::map<std::string, GuardedWorker>& sessions) {
    json list = json::array();
    for (const auto& [directory, worker] : sessions)
        list.push_back(json::array({directory, worker.pid, worker.start_time}));
    // A name that is not UTF-8 loses its directory, not its worker.
    return list.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace tr::protocol
