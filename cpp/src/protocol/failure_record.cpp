#include "protocol/failure_record.h"

#include <nlohmann/json.hpp>

#include "protocol/message.h"
#include "protocol/names.h"

namespace tr::protocol {

using nlohmann::json;

std::string encode_failure(const FailureRecord& record) {
    json request;
    if (record.request_id)
        request = {{"id", *record.request_id}, {"command", record.command}, {"waited_ms", record.waited_ms}};
    json tensors = json::object();
    for (const auto& [tag, as_sent] : record.tensors) tensors[tag] = as_sent ? "as sent" : "as found";
    json worker = {{"command", record.worker},
                   {"arguments", record.arguments},
                   {"working_directory", record.working_directory},
                   {"environment", record.environment},
                   {"pid", record.worker_pid}};
    if (record.exit_code) worker["exit_code"] = *record.exit_code;
    if (record.signal) worker["signal"] = *record.signal;
    const json all = {{"protocol", kProtocolVersion},
                      {"session_id", record.session_id},
                      {"epoch", record.epoch},
                      {"timestamp", now_ms()},
                      {"kind", record.kind},
                      {"error",
                       {{"code", record.code},
                        {"type", record.python_type},
                        {"message", record.message},
                        {"traceback", record.traceback}}},
                      {"request", request},
                      {"tensors", tensors},
                      {"worker", worker},
                      {"session", record.session},
                      {"counts", record.counts}};
    // A log may hold anything, and what cannot be told is better left out than everything.
    return all.dump(2, ' ', false, json::error_handler_t::replace);
}

}  // namespace tr::protocol
