#include "protocol/value_text.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "data/number_text.h"
#include "platform/quiet_floats.h"
#include "protocol/json_object.h"
#include "protocol/plain_message.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::protocol {
namespace {

constexpr std::size_t kShort = 200;

/// Makes values of what the parser finds, without a tree of its own between.
class Builder : public nlohmann::json_sax<nlohmann::json> {
  public:
    /// @param marked texts hold marks in place of bytes that are not UTF-8
    explicit Builder(bool marked) : marked_(marked) {}

    bool null() override { return add(Value()); }
    bool boolean(bool value) override { return add(Value(value)); }
    bool number_integer(number_integer_t value) override { return add(Value(value)); }
    bool number_unsigned(number_unsigned_t value) override {
        constexpr auto kMost = static_cast<number_unsigned_t>(INT64_MAX);
        return add(value <= kMost ? Value(static_cast<std::int64_t>(value)) : Value(static_cast<double>(value)));
    }
    bool number_float(number_float_t value, const string_t&) override { return add(Value(value)); }
    bool string(string_t& value) override { return add(Value(unmarked(value))); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(true); }
    bool key(string_t& name) override {
        open_.back().name = unmarked(name);
        return true;
    }
    bool end_object() override {
        Value value(std::move(open_.back().members));
        open_.pop_back();
        return add(std::move(value));
    }
    bool start_array(std::size_t) override { return open(false); }
    bool end_array() override {
        Value value(std::move(open_.back().items));
        open_.pop_back();
        return add(std::move(value));
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) override {
        problem_ = error.what();
        return false;
    }

    Value take() { return std::move(result_); }
    const std::string& problem() const { return problem_; }

  private:
    struct Open {
        bool is_object;
        std::string name{};
        Value::Object members{};
        Value::List items{};
    };
    bool open(bool is_object) {
        if (open_.size() == kMaxDepth) {
            problem_ = "nested more than " + std::to_string(kMaxDepth) + " deep";
            return false;
        }
        open_.push_back({is_object});
        return true;
    }
    bool add(Value value) {
        if (open_.empty())
            result_ = std::move(value);
        else if (open_.back().is_object)
            open_.back().members.emplace_back(std::move(open_.back().name), std::move(value));
        else
            open_.back().items.push_back(std::move(value));
        return true;
    }
    std::string unmarked(std::string& text) const { return marked_ ? without_marks(text) : std::move(text); }

    const bool marked_;
    std::vector<Open> open_;
    Value result_;
    std::string problem_;
};

void append_number(std::string& text, double value) {
    const std::string digits = number_text(value);
    text += digits;
    if (digits.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
}

template <class Items, class Append>
void append_all(std::string& text, const char* brackets, const Items& items, const Append& append) {
    text += brackets[0];
    bool first = true;
    for (const auto& item : items) {
        if (!std::exchange(first, false)) text += ',';
        append(item);
    }
    text += brackets[1];
}

}  // namespace

void append_quoted(std::string& text, std::string_view words) {
    if (is_plain(words))
        text.append("\"").append(words).append("\"");
    else
        text += quote_json(words);
}

void append_json(std::string& text, const Value& value, int most_deep) {
    if (most_deep == 0 && (value.is_list() || value.is_object()))
        throw InputError("a value is nested more than " + std::to_string(kMaxDepth) + " deep");
    switch (value.kind()) {
        case Value::Kind::null:
            text += "null";
            return;
        case Value::Kind::boolean:
            text += value.as_bool() ? "true" : "false";
            return;
        case Value::Kind::whole:
            text += number_text(value.as_int());
            return;
        case Value::Kind::number:
            return append_number(text, value.as_double());
        case Value::Kind::text:
            return append_quoted(text, value.as_text());
        case Value::Kind::list:
            return append_all(text, "[]", value.as_list(),
                              [&](const Value& item) { append_json(text, item, most_deep - 1); });
        case Value::Kind::object:
            return append_all(text, "{}", value.as_object(), [&](const Value::Member& member) {
                append_quoted(text, member.first);
                text += ':';
                append_json(text, member.second, most_deep - 1);
            });
    }
}

std::string short_text(const Value& value) {
    std::string text;
    append_json(text, value, kMaxDepth);
    if (text.size() <= kShort) return text;
    std::size_t end = kShort;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // not within a letter
    return text.substr(0, end) + "...";
}

}  // namespace tr::protocol

namespace tr {

std::string Value::to_json() const {
    std::string text;
    protocol::append_json(text, *this, protocol::kMaxDepth);
    return text;
}

Value Value::from_json(std::string_view text) {
    const platform::QuietFloats quiet;
    const std::string whole(text);
    protocol::require_no_marks(whole, "a value");
    const auto marked = whole.find("\\u") == std::string::npos ? std::nullopt : protocol::with_marks(whole);
    protocol::Builder builder(marked.has_value());
    if (nlohmann::json::sax_parse(marked ? *marked : whole, &builder)) return builder.take();
    throw InputError("a value is not JSON: " + builder.problem());
}

}  // namespace tr
