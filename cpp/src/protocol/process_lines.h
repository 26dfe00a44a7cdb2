#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tr::protocol {

/// The lines that a host exchanges with the processes that help it, over a socket: with the template of quick starts
/// (docs/protocol.md, "Quick starts"), and with its guardian (docs/decisions/0011-guardian.md).

/// A worker to be forked by a template.
struct Fork {
    std::vector<std::string> arguments;  ///< those behind the interpreter
    std::vector<std::string> environment;
    std::string working_directory;
    std::string output;
};
/// @throws RestartError when something of it is not UTF-8
std::string encode_fork(const Fork& fork);
/// Asks for the status of a worker that has ended.
std::string encode_reap(std::int64_t pid);

/// What a template says: first whether it is ready, then the answer to each question.
struct TemplateReply {
    bool ready = false;
    std::int64_t pid = 0;  ///< of the worker that it forked
    std::optional<int> status;
    std::string reason;  ///< why there is none of these; what it said instead where it gave none
};
TemplateReply parse_template_reply(const std::string& line);

/// The worker of a session, as a guardian has to know it. Without a pid there is none yet.
struct GuardedWorker {
    std::int64_t pid = 0;
    std::string start_time;
};
/// All that a guardian has to look after, by the directory of the session.
std::string encode_guarded(const std::map<std::string, GuardedWorker>& sessions);

}  // namespace tr::protocol
