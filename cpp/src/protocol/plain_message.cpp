#include "protocol/plain_message.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "platform/quiet_floats.h"
#include "protocol/json_object.h"
#include "protocol/names.h"

namespace tr::protocol {
namespace {

bool is_plain_letter(char letter) {
    return letter >= ' ' && letter <= '~' && letter != '"' && letter != '\\';
}

/// Takes a message apart from its start; every step says whether the message goes on as it should.
class Reader {
  public:
    explicit Reader(std::string_view message) : rest_(message) {}

    bool skip(std::string_view expected) {
        if (rest_.substr(0, expected.size()) != expected) return false;
        rest_.remove_prefix(expected.size());
        return true;
    }
    /// What stands before the next quote, which is skipped as well.
    bool text(std::string_view& found) {
        std::size_t length = 0;
        while (length < rest_.size() && is_plain_letter(rest_[length])) ++length;
        found = rest_.substr(0, length);
        rest_.remove_prefix(length);
        return skip("\"");
    }
    bool number(std::uint64_t& found) {
        constexpr std::size_t kDigits = 19;  // of which any number fits
        std::size_t length = 0;
        found = 0;
        for (; length < rest_.size() && length <= kDigits && rest_[length] >= '0' && rest_[length] <= '9'; ++length)
            found = 10 * found + static_cast<std::uint64_t>(rest_[length] - '0');
        if (length == 0 || length > kDigits || (length > 1 && rest_[0] == '0')) return false;
        rest_.remove_prefix(length);
        return true;
    }
    /// What stands before the message's last brace, where it is an object.
    bool object(std::string_view& found) {
        if (rest_.empty()) return false;
        found = rest_.substr(0, rest_.size() - 1);
        rest_.remove_prefix(found.size());
        return is_plain_object(found);
    }
    bool at_end() const { return rest_.empty(); }

  private:
    std::string_view rest_;
};

bool read_tags(Reader& reader, std::vector<std::string>& tags) {
    if (reader.skip("]")) return true;
    do {
        std::string_view tag;
        if (!reader.skip("\"") || !reader.text(tag)) return false;
        tags.emplace_back(tag);
        if (!is_tag(tags.back())) return false;
    } while (reader.skip(","));
    return reader.skip("]");
}

bool read_deadline(Reader& reader, std::optional<std::uint64_t>& deadline_ms) {
    std::uint64_t found = 0;
    if (!reader.skip(",\"deadline_ms\":")) return true;
    if (!reader.number(found)) return false;
    deadline_ms = found;
    return true;
}

bool read_names(Reader& reader, std::string_view& names) {
    return !reader.skip(",\"names\":\"") || reader.text(names);
}

bool read_buffers(Reader& reader, std::string_view& buffers) {
    return !reader.skip(",\"buffers\":\"") || reader.text(buffers);
}

bool read_attached(Reader& reader, PlainRequest& request) {
    if (reader.skip(",\"traceparent\":\"") && !reader.text(request.traceparent)) return false;
    return !reader.skip(",\"arguments\":") || reader.object(request.arguments);
}

}  // namespace

bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), is_plain_letter);
}

bool is_plain_object(std::string_view text) {
    const platform::QuietFloats quiet;
    const auto brackets =
        std::count_if(text.begin(), text.end(), [](char letter) { return letter == '{' || letter == '['; });
    return !text.empty() && text.front() == '{' && text.back() == '}' && brackets < kMaxDepth &&
           text.find('\0') == std::string_view::npos && nlohmann::json::accept(text);
}

std::optional<PlainRequest> read_plain_request(std::string_view message) {
    Reader reader(message);
    PlainRequest request;
    std::uint64_t unused = 0;
    const bool good = reader.skip("{\"command\":\"") && reader.text(request.command) && !request.command.empty() &&
                      reader.skip(",\"parameters\":\"") && reader.text(request.parameters) && reader.skip(",\"id\":") &&
                      reader.number(request.id) && reader.skip(",\"timestamp\":") && reader.number(unused) &&
                      read_deadline(reader, request.deadline_ms) && read_names(reader, request.names) &&
                      read_buffers(reader, request.buffers) && read_attached(reader, request) && reader.skip("}") &&
                      reader.at_end();
    return good ? std::optional(request) : std::nullopt;
}

std::optional<Response> read_plain_response(std::string_view message) {
    Reader reader(message);
    std::uint64_t id = 0;
    std::uint64_t unused = 0;
    std::string_view command;
    std::string_view text;
    std::string_view names;
    std::string_view buffers;
    std::optional<Response> response;
    if (!(reader.skip("{\"id\":") && reader.number(id) && reader.skip(",\"command\":\"") && reader.text(command) &&
          reader.skip(",\"result\":\"") && reader.text(text) && reader.skip(",\"message\":\"\",\"tensors\":[")))
        return response;
    response.emplace();
    if (!(read_tags(reader, response->tensors) && read_names(reader, names) && read_buffers(reader, buffers) &&
          reader.skip(",\"timestamp\":") && reader.number(unused) && reader.skip("}") && reader.at_end())) {
        response.reset();
        return response;
    }
    response->id = id;
    response->command = command;
    response->text = text;
    response->names = names;
    response->buffers = buffers;
    return response;
}

std::string write_plain_response(std::uint64_t id, std::string_view command, std::string_view result,
                                 const std::vector<std::string_view>& tensors, std::string_view buffers) {
    std::string message;
    message.reserve(128 + command.size() + result.size() + 16 * tensors.size() + buffers.size());
    append_number(message.append("{\"id\":"), id);
    message.append(",\"command\":\"").append(command);
    message.append("\",\"result\":\"").append(result).append("\",\"message\":\"\",\"tensors\":[");
    for (const auto tag : tensors) {
        if (message.back() != '[') message += ',';
        message.append("\"").append(tag).append("\"");
    }
    message += ']';
    if (!buffers.empty()) message.append(",\"buffers\":\"").append(buffers).append("\"");
    append_number(message.append(",\"timestamp\":"), static_cast<std::uint64_t>(now_ms()));
    return message += '}';
}

void append_number(std::string& text, std::uint64_t number) {
    char digits[20];
    text.append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
}

}  // namespace tr::protocol
