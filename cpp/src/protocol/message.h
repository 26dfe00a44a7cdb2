#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tech_renaissance/protocol/value.h"

namespace tr::protocol {

/// The messages of docs/protocol.md as values. Nothing here does any I/O.

/// No message is longer than this: a peer's file above it is refused unread.
inline constexpr std::size_t kMaxMessageBytes = 64U << 20;

struct Request {
    std::string command;         ///< for error messages; the wire text holds it too
    std::string text;            ///< JSON
    bool has_arguments = false;  ///< so a worker without kArgumentsFeature would not do what it is asked
};

/// What goes with a request besides its words.
struct Attached {
    std::string arguments;    ///< a JSON object; empty for none
    std::string traceparent;  ///< as W3C Trace Context has it; empty for none
    std::string names{};      ///< of tensors, by tags, as parse_names() reads them; empty for none
    bool is_sound = false;    ///< the arguments are JSON, and not too deep, as they were written here

    bool is_empty() const { return arguments.empty() && traceparent.empty() && names.empty(); }
};

/// @param message    JSON object, or "command parameters"
/// @param both_spellings  add the older names, for a worker that has not said which it reads
/// @param deadline_ms     time left to run; 0: none
/// @throws InputError when it is neither, names no command, or is not UTF-8; when what is attached is not what it has
///         to be, or stands in the message already
Request make_request(const std::string& message, std::uint64_t id, bool both_spellings, std::int64_t deadline_ms,
                     const Attached& attached = {});

/// Tells the worker to give up this request.
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
    std::string buffers;  ///< see BufferPlace; empty for none
    std::string names;    ///< of some of the tensors: see parse_names(); empty for none
    Value values;         ///< an object: results that are no tensors, by name; null for none
    std::optional<RemoteFailure> failure;
    bool more = false;              ///< a part of a stream; others and a last one without it follow
    bool names_no_tensors = false;  ///< it has no member for them, as those of older workers
    bool leaving = false;           ///< the worker ends now, as the request has asked it to
    bool older_spelling = false;    ///< then `tensors` is what the text may name, to be checked against the files
};

/// @throws InputError when the text is not a response
Response parse_response(const std::string& text);

/// Throws the exception class that a failure's code stands for, with Python's type and traceback.
[[noreturn]] void throw_failure(const RemoteFailure& failure, const std::string& command);

/// Milliseconds since the Unix epoch.
std::int64_t now_ms();

}  // namespace tr::protocol
