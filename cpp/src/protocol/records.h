#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/endpoints.h"

namespace tr::protocol {

/// What the two sides say of themselves: hello.json and session.json. A longer one is refused unread.
inline constexpr std::size_t kMaxRecordBytes = 1U << 20;

/// What a worker may be able to do besides the protocol's first version: see docs/protocol.md, "Start-up".
inline constexpr const char* kArgumentsFeature = "arguments";
inline constexpr const char* kNamesFeature = "names";
inline constexpr const char* kBuffersFeature = "buffers";  ///< of either side
inline constexpr const char* kLoansFeature = "loans";      ///< of a worker
inline constexpr const char* kEndpointsFeature = "endpoints";

/// What a worker says of itself when it is ready.
struct Hello {
    std::int64_t protocol = 0;
    std::uint64_t epoch = 0;
    std::int64_t pid = 0;
    std::string python;
    std::string wake_up;
    std::string carrier;
    std::string
        mailbox;  ///< what the mailbox goes through, "library" or "python"; empty without one, or of an older worker
    std::string fallback;
    std::string executable;              ///< of the interpreter
    std::string server;                  ///< class of the server
    std::vector<std::string> commands;   ///< that it has declared
    std::string refused;                 ///< why the worker does not serve this channel; empty: it does
    std::vector<std::string> features;   ///< none of an older worker
    std::vector<std::string> endpoints;  ///< their names
    std::shared_ptr<const Endpoints> table = std::make_shared<const Endpoints>();  ///< what they take and give

    bool has_feature(std::string_view name) const;
};
/// @throws InputError when the text is not a hello, or of another protocol version
Hello parse_hello(const std::string& text);
/// For a request with arguments, or with names of tensors, before it is sent.
/// @param hello  nothing: the worker is an older one, which says nothing of itself
/// @throws InputError when the worker would pass over them
void require_arguments_feature(const std::optional<Hello>& hello, const std::string& command);
void require_names_feature(const std::optional<Hello>& hello, const std::string& command);

/// Where the code of a worker stands, as it says when it is asked for a sign of life.
struct Where {
    std::string place;  ///< of the user's code: "/srv/server.py:12, in main_logic"
    std::string stack;  ///< whole, a line for each frame, as in a traceback
};
/// @param request whose code; nothing: that of on_start()
/// @returns nothing when the text does not tell
std::optional<Where> parse_where(const std::string& text, std::optional<std::uint64_t> request);

/// What the host says of a session, or of a further channel of its worker.
struct SessionRecord {
    std::string session_id;
    std::int64_t host_pid = 0;
    std::string host_start_time;
    std::uint64_t epoch = 0;
    std::vector<std::string> carriers;
    std::string wake_up;
    std::optional<std::string> tags_of;  ///< of a further channel: whose tensors its requests may name as well
    std::vector<std::string> features;   ///< what the host can do besides the protocol's first version
};
std::string encode_session(const SessionRecord& record);
/// Who the host is, and the epoch; what it offers is for workers to read.
/// @returns nothing when the text is not a session record
std::optional<SessionRecord> parse_session(const std::string& text);

}  // namespace tr::protocol
