#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/export.h"

namespace tr {

/// A JSON value: null, a bool, a whole number, another number, a text, a list or an object. What an endpoint takes and
/// gives besides tensors.
///
///     tr::Value radius = 5;
///     tr::Value sizes = std::vector<int>{3, 5};
///     tr::Value options = tr::Value::Object{{"depth", 2}, {"name", "x"}};
///     options["depth"].as_int();
///
/// A value does not change; copies share what is in lists and objects. Any thread may read it. Texts are UTF-8; bytes
/// that are not go through as well (see docs/protocol.md, section 2).
class TR_API Value {
  public:
    enum class Kind { null, boolean, whole, number, text, list, object };
    using List = std::vector<Value>;
    /// A member of an object; they keep the order in which they were given.
    using Member = std::pair<std::string, Value>;
    using Object = std::vector<Member>;

    Value() noexcept = default;
    Value(std::nullptr_t) noexcept {}  // NOLINT(google-explicit-constructor): values are usable where a Value is
    /// @throws InputError when a whole number does not fit 64 bits with a sign, another is NaN or infinite
    template <class T, std::enable_if_t<std::is_arithmetic_v<T>, int> = 0>
    Value(T value) {  // NOLINT(google-explicit-constructor)
        static_assert(!std::is_same_v<T, char> && !std::is_same_v<T, wchar_t>,
                      "a letter is no value: expected a text, std::string(1, letter), or a number, int(letter)");
        if constexpr (std::is_same_v<T, bool>)
            content_ = value;
        else if constexpr (std::is_floating_point_v<T>)
            set_number(static_cast<double>(value));
        else if (fits(value))
            content_ = static_cast<std::int64_t>(value);
        else
            throw_too_large();
    }
    Value(const char* text) : content_(std::string(text)) {}       // NOLINT(google-explicit-constructor)
    Value(std::string text) : content_(std::move(text)) {}         // NOLINT(google-explicit-constructor)
    Value(std::string_view text) : content_(std::string(text)) {}  // NOLINT(google-explicit-constructor)
    Value(List list);                                              // NOLINT(google-explicit-constructor)
    Value(Object object);                                          // NOLINT(google-explicit-constructor)
    template <class T, std::enable_if_t<std::is_convertible_v<T, Value> && !std::is_same_v<T, Value>, int> = 0>
    Value(const std::vector<T>& list) : Value(List(list.begin(), list.end())) {}  // NOLINT(google-explicit-constructor)
    template <class T, std::enable_if_t<std::is_convertible_v<T, Value>, int> = 0>
    Value(const std::map<std::string, T>& object)  // NOLINT(google-explicit-constructor)
        : Value(Object(object.begin(), object.end())) {}
    /// What would count as a bool.
    template <class T, std::enable_if_t<!std::is_same_v<std::remove_cv_t<T>, char>, int> = 0>
    Value(T*) = delete;

    Kind kind() const noexcept { return static_cast<Kind>(content_.index()); }
    bool is_null() const noexcept { return kind() == Kind::null; }
    bool is_bool() const noexcept { return kind() == Kind::boolean; }
    bool is_int() const noexcept { return kind() == Kind::whole; }
    /// Also a whole one.
    bool is_number() const noexcept { return kind() == Kind::whole || kind() == Kind::number; }
    bool is_text() const noexcept { return kind() == Kind::text; }
    bool is_list() const noexcept { return kind() == Kind::list; }
    bool is_object() const noexcept { return kind() == Kind::object; }

    /// What it is. A reference is valid as long as this value is.
    /// @throws InputError that says what it is instead
    bool as_bool() const;
    std::int64_t as_int() const;
    double as_double() const;  ///< also of a whole number
    const std::string& as_text() const;
    const List& as_list() const;
    const Object& as_object() const;

    /// Of a list or an object; else 0.
    std::size_t size() const noexcept;
    /// The member of this name, the last where it stands there twice; null where there is none, or this is no object.
    const Value* find(std::string_view name) const noexcept;
    /// @throws InputError when this is no object, or has no such member; or no list, or a shorter one
    const Value& operator[](std::string_view name) const;
    const Value& operator[](const char* name) const { return (*this)[std::string_view(name)]; }
    const Value& operator[](std::size_t index) const;
    const Value& operator[](int index) const { return (*this)[static_cast<std::size_t>(index)]; }

    /// The same value. 5 and 5.0 are, true and 1 are not; the order of an object's members means nothing.
    friend TR_API bool operator==(const Value& left, const Value& right) noexcept;
    friend bool operator!=(const Value& left, const Value& right) noexcept { return !(left == right); }

    /// JSON on one line. A number that is not whole stays such: 5.0.
    /// @throws InputError when it is more than 64 deep
    std::string to_json() const;
    /// @throws InputError for what is not JSON, or more than 64 deep. Whole numbers beyond 64 bits with a sign become
    ///         others.
    static Value from_json(std::string_view text);

  private:
    template <class T>
    static constexpr bool fits(T value) {
        if constexpr (std::is_unsigned_v<T> && sizeof(T) >= sizeof(std::int64_t))
            return value <= static_cast<T>(std::numeric_limits<std::int64_t>::max());
        else
            return value == value;  // any value of T
    }
    void set_number(double value);
    [[noreturn]] static void throw_too_large();
    [[noreturn]] void throw_not(const char* expected) const;

    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::shared_ptr<const List>,
                 std::shared_ptr<const Object>>
        content_{};
};

/// "null", "a bool", "a whole number", "a number", "a text", "a list", "an object".
TR_API std::string to_string(Value::Kind kind);
/// As Value::to_json().
TR_API std::ostream& operator<<(std::ostream& out, const Value& value);

}  // namespace tr
