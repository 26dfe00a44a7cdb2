#include "protocol/plain_message.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "platform/quiet_floats.h"
#include "protocol/json_object.h"
#include "protocol/names.h"

namespace tr::protocol {
namespace {

bool is_plain_letter(char letter) {
    return letter >= ' ' && letter <= '~' && letter != '"' && letter != '\\';
}

/// Whether any of eight letters is none of the plain ones.
bool any_strange(std::uint64_t letters) {
    constexpr std::uint64_t kOnes = ~std::uint64_t{0} / 0xFF;
    constexpr std::uint64_t kHigh = kOnes << 7U;
    const auto below = [](std::uint64_t word, std::uint64_t limit) { return (word - kOnes * limit) & ~word; };
    const auto has = [&below](std::uint64_t word, char letter) {
        return below(word ^ (kOnes * static_cast<unsigned char>(letter)), 1);
    };
    return ((letters | below(letters, ' ') | has(letters, '"') | has(letters, '\\') | has(letters, '\x7f')) & kHigh) !=
           0;
}

/// How many plain letters there are before another one, eight at a time.
std::size_t plain_length(std::string_view text) {
    std::size_t length = 0;
    for (std::uint64_t letters = 0; length + sizeof(letters) <= text.size(); length += sizeof(letters)) {
        std::memcpy(&letters, text.data() + length, sizeof(letters));
        if (any_strange(letters)) break;
    }
    while (length < text.size() && is_plain_letter(text[length])) ++length;
    return length;
}

/// Takes a message apart from its start; every step says whether the message goes on as it should.
class Reader {
  public:
    explicit Reader(std::string_view message) : rest_(message) {}

    template <std::size_t Size>
    bool skip(const char (&expected)[Size]) {
        constexpr std::size_t kLength = Size - 1;  // without the zero at its end
        if (rest_.size() < kLength || std::memcmp(rest_.data(), expected, kLength) != 0) return false;
        rest_.remove_prefix(kLength);
        return true;
    }
    /// What stands before the next quote, which is skipped as well.
    bool text(std::string_view& found) {
        const std::size_t length = plain_length(rest_);
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
    /// A JSON value of the simplest kind: no blanks, plain texts, numbers of so few digits that they are exact.
    /// @param found null where nobody wants it
    /// @param depth how deep it may be nested
    bool simple_value(Value* found, int depth) {
        if (skip("{")) return depth > 0 && simple_object(found, depth - 1);
        if (skip("[")) return depth > 0 && simple_list(found, depth - 1);
        std::string_view words;
        if (skip("\"")) return text(words) && give(found, words);
        if (skip("true")) return give(found, true);
        if (skip("false")) return give(found, false);
        return skip("null") ? give(found, nullptr) : simple_number(found);
    }

  private:
    template <class T>
    static bool give(Value* found, T&& value) {
        if (found != nullptr) *found = Value(std::forward<T>(value));
        return true;
    }
    bool simple_object(Value* found, int depth) {
        Value::Object members;
        Value member;
        if (skip("}")) return give(found, std::move(members));
        do {
            std::string_view name;
            if (!skip("\"") || !text(name) || !skip(":") || !simple_value(found ? &member : nullptr, depth))
                return false;
            if (found != nullptr) members.emplace_back(name, std::move(member));
        } while (skip(","));
        return skip("}") && give(found, std::move(members));
    }
    bool simple_list(Value* found, int depth) {
        Value::List items;
        Value item;
        if (skip("]")) return give(found, std::move(items));
        do {
            if (!simple_value(found ? &item : nullptr, depth)) return false;
            if (found != nullptr) items.push_back(std::move(item));
        } while (skip(","));
        return skip("]") && give(found, std::move(items));
    }
    bool simple_number(Value* found) {
        constexpr std::size_t kExact = 15;  // a double has so many decimal digits, and 10^15 is one
        const bool negative = skip("-");
        const std::size_t begin = rest_.size();
        std::uint64_t digits = 0;
        if (!number(digits)) return false;
        const bool whole = !skip(".");
        double scale = 1;
        for (; !whole && !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9' && scale < 1e15; scale *= 10) {
            digits = 10 * digits + static_cast<std::uint64_t>(rest_[0] - '0');
            rest_.remove_prefix(1);
        }
        if (begin - rest_.size() > kExact || (!whole && scale == 1)) return false;
        if (whole) {
            const auto value = static_cast<std::int64_t>(digits);
            return give(found, negative ? -value : value);
        }
        const double value = static_cast<double>(digits) / scale;
        return give(found, negative ? -value : value);
    }

    std::string_view rest_;
};

/// Puts a message together in memory that is there already, where each step of a std::string asks for more.
class Writer {
  public:
    /// @param most how long it gets
    explicit Writer(std::size_t most) : text_(most, ' ') {}

    Writer& put(std::string_view part) {
        if (part.size() > text_.size() - length_) throw std::logic_error("a message is longer than was said");
        std::memcpy(text_.data() + length_, part.data(), part.size());
        length_ += part.size();
        return *this;
    }
    Writer& put(std::uint64_t number) {
        char digits[20];
        char* first = std::end(digits);
        for (; number > 9; number /= 100) {
            *--first = static_cast<char>('0' + number % 10);
            *--first = static_cast<char>('0' + number / 10 % 10);
        }
        if (number > 0 || first == std::end(digits)) *--first = static_cast<char>('0' + number);
        return put({first, static_cast<std::size_t>(std::end(digits) - first)});
    }
    std::string take() {
        text_.resize(length_);
        return std::move(text_);
    }

  private:
    std::string text_;
    std::size_t length_ = 0;
};

/// How deep a value may be nested to be a simple one.
constexpr int kNested = 8;

/// Longer than all names of members and numbers of a message.
constexpr std::size_t kRest = 192;

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
    return plain_length(text) == text.size();
}

bool is_plain_object(std::string_view text) {
    if (Reader simple(text); !text.empty() && text.front() == '{' && simple.simple_value(nullptr, kNested))
        if (simple.at_end()) return true;  // as nearly all are
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

std::string write_plain_request(std::string_view command, std::string_view parameters, std::uint64_t id,
                                std::uint64_t deadline_ms, std::string_view names, std::string_view arguments) {
    Writer message(kRest + command.size() + parameters.size() + names.size() + arguments.size());
    message.put("{\"command\":\"").put(command).put("\",\"parameters\":\"").put(parameters);
    message.put("\",\"id\":").put(id).put(",\"timestamp\":").put(static_cast<std::uint64_t>(now_ms()));
    if (deadline_ms > 0) message.put(",\"deadline_ms\":").put(deadline_ms);
    if (!names.empty()) message.put(",\"names\":\"").put(names).put("\"");
    if (!arguments.empty()) message.put(",\"arguments\":").put(arguments);
    return message.put("}").take();
}

bool read_plain_response(std::string_view message, Response& response) {
    Reader reader(message);
    std::uint64_t id = 0;
    std::uint64_t unused = 0;
    std::string_view command;
    std::string_view text;
    std::string_view names;
    std::string_view buffers;
    std::string_view values;
    std::vector<std::string> tensors;
    if (!(reader.skip("{\"id\":") && reader.number(id) && reader.skip(",\"command\":\"") && reader.text(command) &&
          reader.skip(",\"result\":\"") && reader.text(text) && reader.skip(",\"message\":\"\",\"tensors\":[") &&
          read_tags(reader, tensors) && read_names(reader, names) && read_buffers(reader, buffers) &&
          reader.skip(",\"timestamp\":") && reader.number(unused) &&
          (!reader.skip(",\"values\":") || reader.object(values)) && reader.skip("}") && reader.at_end()))
        return false;
    response.id = id;
    response.command = command;
    response.text = text;
    response.tensors = std::move(tensors);
    if (!names.empty()) response.names = names;
    if (!buffers.empty()) response.buffers = buffers;
    if (values.empty()) return true;
    Reader simple(values);
    if (!simple.simple_value(&response.values, kNested) || !simple.at_end()) response.values = Value::from_json(values);
    return true;
}

std::string write_plain_response(std::uint64_t id, std::string_view command, std::string_view result,
                                 const std::vector<std::string_view>& tensors, std::string_view buffers) {
    std::size_t most = kRest + command.size() + result.size() + buffers.size();
    for (const auto tag : tensors) most += 3 + tag.size();
    Writer message(most);
    message.put("{\"id\":").put(id).put(",\"command\":\"").put(command);
    message.put("\",\"result\":\"").put(result).put("\",\"message\":\"\",\"tensors\":[");
    std::string_view before = "\"";
    for (const auto tag : tensors) {
        message.put(before).put(tag).put("\"");
        before = ",\"";
    }
    message.put("]");
    if (!buffers.empty()) message.put(",\"buffers\":\"").put(buffers).put("\"");
    return message.put(",\"timestamp\":").put(static_cast<std::uint64_t>(now_ms())).put("}").take();
}

void append_number(std::string& text, std::uint64_t number) {
    char digits[20];
    text.append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
}

}  // namespace tr::protocol
