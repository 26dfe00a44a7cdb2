#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/message.h"
#include "tech_renaissance/export.h"

namespace tr::protocol {

/// Nearly every message is *plain* (docs/protocol.md, "Messages"): its members are those that each side writes, in that
/// order and with no blanks, and its texts are of letters that JSON writes as they are. Such a message is read and
/// written here, in a tenth of the time that a JSON library takes; any other is left to that. What both can read they
/// read alike.

/// Printable ASCII without quotes and backslashes.
TR_API bool is_plain(std::string_view text);
/// Of an object that may stand in a message as it is: JSON, without the rare things that parsers differ in.
bool is_plain_object(std::string_view text);

struct PlainRequest {
    std::string_view command;
    std::string_view parameters;
    std::uint64_t id = 0;
    std::optional<std::uint64_t> deadline_ms;
    std::string_view names;        ///< empty for none
    std::string_view buffers;      ///< empty for none
    std::string_view traceparent;  ///< empty for none
    std::string_view arguments;    ///< a JSON object, not taken apart; empty for none
};
/// @returns nothing when the request is not plain; the texts lie in `message`
TR_API std::optional<PlainRequest> read_plain_request(std::string_view message);

/// A request whose words are plain.
/// @param deadline_ms 0 for none
/// @param names       of tensors; empty for none
/// @param arguments   a JSON object; empty for none
std::string write_plain_request(std::string_view command, std::string_view parameters, std::uint64_t id,
                                std::uint64_t deadline_ms, std::string_view names = {},
                                std::string_view arguments = {});

/// @returns false when the response is not plain, and nothing was done
bool read_plain_response(std::string_view message, Response& response);
/// The response to a request that succeeded. All texts have to be plain.
/// @param buffers empty for none
TR_API std::string write_plain_response(std::uint64_t id, std::string_view command, std::string_view result,
                                        const std::vector<std::string_view>& tensors, std::string_view buffers);

/// Appends a number in decimal digits, in a third of the time that a string of it takes.
void append_number(std::string& text, std::uint64_t number);

}  // namespace tr::protocol
