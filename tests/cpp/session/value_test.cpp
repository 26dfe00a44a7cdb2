// JSON values of their own.
#include "tech_renaissance/protocol/value.h"

#include <limits>

#include "expectations.h"
#include "protocol/value_text.h"
#include "tech_renaissance.h"

namespace tr::test {
namespace {

std::string deep(int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

TEST(ValueTest, IsMadeOfWhatAProgramHas) {
    EXPECT_TRUE(Value().is_null() && Value(nullptr).is_null());
    EXPECT_TRUE(Value(true).is_bool());
    EXPECT_EQ(Value(std::size_t{5}).as_int(), 5);
    EXPECT_EQ(Value(2.5F).as_double(), 2.5);
    EXPECT_EQ(Value("x").as_text(), "x");
    EXPECT_EQ(Value(std::string_view("xy").substr(1)).as_text(), "y");
    const Value sizes = std::vector<int>{3, 5};
    EXPECT_EQ(sizes[1].as_int(), 5);
    const Value options = Value::Object{{"depth", 2}, {"name", "x"}, {"more", std::vector<bool>{true, false}}};
    EXPECT_EQ(options["depth"].as_int(), 2);
    EXPECT_EQ(options.find("none"), nullptr);
    const Value names = std::map<std::string, double>{{"b", 1}, {"a", 2}};
    EXPECT_EQ(names.to_json(), R"({"a":2.0,"b":1.0})");
    static_assert(!std::is_convertible_v<void*, Value> && !std::is_convertible_v<const Tensor*, Value>);
    static_assert(!std::is_convertible_v<Tensor, Value> && !std::is_convertible_v<std::vector<Tensor>, Value>);
}

TEST(ValueTest, SaysWhatItIsInstead) {
    const auto wrong = [](const std::function<void()>& call) {
        return std::string(expect_throw<InputError>(call).what());
    };
    EXPECT_EQ(wrong([] { Value("5").as_int(); }), "the value \"5\" is a text: expected a whole number");
    EXPECT_EQ(wrong([] { Value(5).as_bool(); }), "the value 5 is a whole number: expected a bool");
    EXPECT_EQ(wrong([] { Value(2.5).as_int(); }), "the value 2.5 is a number: expected a whole number");
    EXPECT_EQ(wrong([] { Value().as_text(); }), "the value null is null: expected a text");
    EXPECT_EQ(wrong([] { Value(Value::List{1})[3]; }), "a list of 1 has no item 3: expected one from 0");
    EXPECT_EQ(wrong([] { Value(Value::Object{{"a", 1}})["b"]; }), "an object has no member 'b': it has a");
    EXPECT_TRUE(contains(wrong([] { Value(std::numeric_limits<double>::quiet_NaN()); }), "NaN is no value of JSON"));
    EXPECT_TRUE(contains(wrong([] { Value(-std::numeric_limits<float>::infinity()); }), "-infinity is no value"));
    EXPECT_TRUE(contains(wrong([] { Value(~std::uint64_t{0}); }), "beyond 64 bits with a sign"));
    EXPECT_TRUE(contains(wrong([] { Value(std::string(300, 'x')).as_int(); }), "xxx... is a text"));
}

TEST(ValueTest, EqualsTheSameValue) {
    EXPECT_EQ(Value(5), Value(5.0));
    EXPECT_NE(Value(true), Value(1));
    EXPECT_NE(Value("5"), Value(5));
    EXPECT_EQ(Value(Value::Object{{"a", 1}, {"b", 2}}), Value(Value::Object{{"b", 2.0}, {"a", 1}}));
    EXPECT_NE(Value(Value::Object{{"a", 1}}), Value(Value::Object{{"a", 1}, {"b", 2}}));
    EXPECT_EQ(Value(Value::List{1, "x", nullptr}), Value::from_json(R"( [1, "x", null] )"));
}

TEST(ValueTest, ComesBackFromItsJson) {
    for (const char* text :
         {"null", "true", "-7", "9223372036854775807", "5.0", "1e+300", "0.1", R"("a\"\\\n\u0001é")", "[]", "{}",
          R"({"z":[1,2,{"y":null}],"a":"","\udcff":"\udc80"})", R"("\udcff")", "\"\xef\xbf\xbf\""}) {
        const Value value = Value::from_json(text);
        EXPECT_EQ(value.to_json(), text);
        EXPECT_EQ(Value::from_json(value.to_json()), value) << text;
    }
    EXPECT_EQ(Value("\xff").to_json(), R"("\udcff")");
    EXPECT_TRUE(Value::from_json("18446744073709551615").is_number());
    EXPECT_FALSE(Value::from_json("18446744073709551615").is_int());
    EXPECT_EQ(Value::from_json(R"({"a": 1, "a": 2})")["a"].as_int(), 2);
    EXPECT_EQ(Value::from_json(deep(64)).to_json(), deep(64));
}

TEST(ValueTest, RefusesWhatIsNoJson) {
    for (const std::string text :
         {"", "{", "nul", "[1,]", "NaN", "1e999", "{\"a\":1} x", "\xef\xbb\xbf{}", "\"\\ud800\"", "'a'"}) {
        const auto error = expect_throw<InputError>([&] { Value::from_json(text); });
        EXPECT_TRUE(contains(error.what(), "a value is not JSON")) << text;
    }
    EXPECT_TRUE(contains(expect_throw<InputError>([] { Value::from_json(deep(65)); }).what(), "nested more than 64"));
    Value nested;
    for (int i = 0; i < 65; ++i) nested = Value::List{nested};
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { nested.to_json(); }).what(), "nested more than 64 deep"));
}

}  // namespace
}  // namespace tr::test
