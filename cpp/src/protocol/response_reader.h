#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "protocol/message.h"

namespace tr::protocol {

/// Reads a response as the parser comes upon its parts, so that no tree of values is built: that would take longer than
/// all the rest of the host's share of a round trip. Members that are not known are passed over, at any depth.
class ResponseReader final : public nlohmann::json_sax<nlohmann::json> {
  public:
    /// @throws InputError when a known member is of the wrong kind
    Response take();

    bool null() override { return value("null"); }
    bool boolean(bool found) override;
    bool number_integer(number_integer_t found) override;
    bool number_unsigned(number_unsigned_t found) override;
    bool number_float(number_float_t, const string_t&) override { return value("number"); }
    bool string(string_t& found) override;
    bool binary(binary_t&) override { return value("binary"); }
    bool start_object(std::size_t) override;
    bool key(string_t& found) override;
    bool end_object() override;
    bool start_array(std::size_t) override;
    bool end_array() override;
    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) override;

  private:
    /// Where in the message the parser is.
    enum class Place { outside, message, error, tensors, unknown };

    /// A value of a kind that no known member has; "null" stands for a member that is not there.
    bool value(const char* kind);
    void enter();
    std::string* text_target();
    [[noreturn]] void refuse(const char* expected, const char* kind) const;

    Place place_ = Place::outside;
    std::size_t depth_ = 0;
    std::size_t unknown_depth_ = 0;
    Place before_unknown_ = Place::outside;
    std::string key_;
    Response response_;
    std::string cmd_;
    std::string params_;
    bool has_command_ = false;
    bool has_cmd_ = false;
};

}  // namespace tr::protocol
