#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tr::protocol {

/// What the host knows of a failure: `failure.json` of a kept directory. See docs/protocol.md, "Kept directories".
struct FailureRecord {
    std::string session_id;
    std::uint64_t epoch = 0;
    std::string kind;  ///< "error" (the answer was one), "death" or "timeout"
    std::string code;  ///< "E3001"
    std::string message;
    std::string python_type;
    std::string traceback;
    std::optional<std::uint64_t> request_id;  ///< none: the worker did not get as far
    std::string command;
    std::int64_t waited_ms = 0;
    std::map<std::string, bool> tensors;  ///< by tag: whether it is as it was sent; else as it was found afterwards
    std::vector<std::string> worker;      ///< its command line
    std::size_t arguments = 0;            ///< how many words at its end are SessionOptions::arguments
    std::string working_directory;
    std::vector<std::string> environment;  ///< names that the session set; values may be secrets
    std::int64_t worker_pid = 0;
    std::optional<int> exit_code;
    std::optional<int> signal;
    std::map<std::string, std::string> session;  ///< carrier, tiers, ...: what stats() says in words
    std::map<std::string, std::uint64_t> counts;
};
std::string encode_failure(const FailureRecord& record);

}  // namespace tr::protocol
