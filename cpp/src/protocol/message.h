#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tr::protocol {

/// The messages of docs/protocol.md as values. Nothing here does any I/O.

/// No message is longer than this: a peer's file above it is refused unread.
inline constexpr std::size_t kMaxMessageBytes = 64U << 20;
/// The same for what the two sides say of themselves, hello.json and session.json.
inline constexpr std::size_t kMaxRecordBytes = 1U << 20;
/// How deep the objects and lists of a message may be nested.
inline constexpr std::size_t kMaxDepth = 64;

struct Request {
    std::string command;  ///< for error messages; the wire text holds it too
    std::string text;     ///< JSON
};

/// @param message    JSON object, or "command parameters"
/// @param both_spellings  add the older names, for a worker that has not said which it reads
/// @param deadline_ms     time left to run; 0: none
/// @throws InputError when it is neither, names no command, or is not UTF-8
Request make_request(const std::string& message, std::uint64_t id, bool both_spellings, std::int64_t deadline_ms);

/// Tells the worker to end the stream that answers this request at its next part.
std::string encode_cancel(std::uint64_t id);

struct RemoteFailure {
    std::string code;  ///< "E1004"
    std::string type;
    std::string message;
    std::string traceback;
};

struct Response {
    std::optional<std::uint64_t> id;  ///< absent in the older spelling
    std::string command;
    std::string text;
    std::string message;  ///< of a failure
    std::vector<std::string> tensors;
    std::optional<RemoteFailure> failure;
    bool more = false;            ///< a part of a stream; others and a last one without it follow
    bool older_spelling = false;  ///< then `tensors` is what the text may name, to be checked against the files
};

/// @throws InputError when the text is not a response
Response parse_response(const std::string& text);

/// Throws the exception class that a failure's code stands for, with Python's type and traceback.
[[noreturn]] void throw_failure(const RemoteFailure& failure, const std::string& command);

/// What a worker says of itself when it is ready.
struct Hello {
    std::int64_t protocol = 0;
    std::uint64_t epoch = 0;
    std::int64_t pid = 0;
    std::string python;
    std::string wake_up;
    std::string carrier;
    std::string fallback;
    std::string executable;
    std::string server;
    std::vector<std::string> commands;
    std::vector<std::string> features;  ///< what it can beyond the first release
    std::string refused;                ///< why it cannot serve this channel; empty when it does

    bool has_feature(const char* name) const;
};
/// @throws InputError when the text is not a hello, or of another protocol version
Hello parse_hello(const std::string& text);

/// What the host says of a session.
struct SessionRecord {
    std::string session_id;
    std::int64_t host_pid = 0;
    std::string host_start_time;
    std::uint64_t epoch = 0;
    std::vector<std::string> carriers;
    std::string wake_up;
    std::optional<std::string> tags_of;  ///< another channel whose tensors may be named in this one
};
std::string encode_session(const SessionRecord& record);
/// @returns nothing when the text is not a session record
std::optional<SessionRecord> parse_session(const std::string& text);

/// Milliseconds since the Unix epoch.
std::int64_t now_ms();

}  // namespace tr::protocol
