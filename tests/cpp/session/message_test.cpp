// The messages alone: text in, values out.
#include "protocol/message.h"

#include <nlohmann/json.hpp>
#include <random>

#include "protocol/plain_message.h"
#include "support.h"

namespace tr::test {
namespace {

using namespace tr::protocol;

TEST(RequestText, IsSplitAtTheFirstBlank) {
    const auto request = make_request("  matmul a b \n", 7, false, 500);
    const auto json = nlohmann::json::parse(request.text);
    EXPECT_EQ(json["command"], "matmul");
    EXPECT_EQ(json["parameters"], "a b");
    EXPECT_EQ(json["id"], 7);
    EXPECT_EQ(json["deadline_ms"], 500);
    EXPECT_TRUE(json["timestamp"].is_number_integer());
    EXPECT_FALSE(json.contains("cmd"));
}

TEST(RequestText, CarriesBothSpellingsForAPeerThatIsNotKnown) {
    for (const char* message :
         {"matmul a b", R"({"cmd": "matmul", "params": "a b"})", R"({"command": "matmul", "parameters": "a b"})"}) {
        const auto json = nlohmann::json::parse(make_request(message, 1, true, 0).text);
        EXPECT_EQ(json["command"], "matmul");
        EXPECT_EQ(json["cmd"], "matmul");
        EXPECT_EQ(json["parameters"], "a b");
        EXPECT_EQ(json["params"], "a b");
    }
}

TEST(RequestText, AnObjectKeepsItsOwnFieldsButNotItsId) {
    const auto json = nlohmann::json::parse(
        make_request(R"({"command": "x", "traceparent": "00-ab", "id": 99, "timestamp": 1})", 7, false, 0).text);
    EXPECT_EQ(json["traceparent"], "00-ab");
    EXPECT_EQ(json["id"], 7);
    EXPECT_NE(json["timestamp"], 1);
}

TEST(RequestText, QuotesWhatNeedsIt) {
    const auto json = nlohmann::json::parse(make_request("echo a \"b\" \\ \t\x01 \xc3\xa9", 1, false, 0).text);
    EXPECT_EQ(json["parameters"], "a \"b\" \\ \t\x01 \xc3\xa9");
}

TEST(RequestText, ABraceWithoutAnObjectIsRefused) {
    for (const char* message : {"{", "{\"command\": \"echo\"", "{echo} x", "{\"command\": \"\xff\"}"}) {
        const auto error = expect_throw<InputError>([&] { make_request(message, 1, false, 0); });
        EXPECT_TRUE(contains(error.what(), "has to be a JSON object; this one is malformed at byte "));
        EXPECT_FALSE(contains(error.what(), "json.exception"));
    }
    const auto error =
        expect_throw<InputError>([&] { make_request("{\"command\": \"c\", \"n\": 5e794}", 1, false, 0); });
    EXPECT_TRUE(contains(error.what(), "this one holds a number that is out of range: '{\"command\""));
}

TEST(RequestText, ThatIsNotUtf8IsRefusedInOurWords) {
    const auto error = expect_throw<InputError>([&] { make_request("echo \xff\xfe", 1, false, 0); });
    EXPECT_TRUE(contains(error.what(), "request 'echo' is not UTF-8"));
    EXPECT_FALSE(contains(error.what(), "json.exception"));
}

TEST(RequestText, OverTheLimitIsRefused) {
    const std::string huge(kMaxMessageBytes + 1, 'x');
    const auto error = expect_throw<InputError>([&] { make_request(huge, 1, false, 0); });
    EXPECT_EQ(error.code(), ErrorCode::request_too_large);
    EXPECT_TRUE(contains(error.what(), "send data of this size as a tensor"));
    EXPECT_LT(std::string(error.what()).size(), 200U);
}

TEST(RequestText, WithoutACommandIsRefused) {
    for (const char* message : {"", "   ", "{}", R"({"parameters": "a"})", R"({"command": 5})", R"({"command": ""})"})
        EXPECT_THROW(make_request(message, 1, false, 0), InputError) << message;
}

TEST(ResponseText, IsRead) {
    const auto response = parse_response(
        R"({"id": 7, "command": "x", "result": "ok", "message": "", "tensors": ["result_0", "b"], "timestamp": 5, "more": true})");
    EXPECT_EQ(response.id, 7U);
    EXPECT_EQ(response.command, "x");
    EXPECT_EQ(response.text, "ok");
    EXPECT_EQ(response.tensors, (std::vector<std::string>{"result_0", "b"}));
    EXPECT_TRUE(response.more);
    EXPECT_FALSE(response.failure);
}

TEST(ResponseText, InTheOlderSpellingMayNameTensors) {
    const auto tags = parse_response(R"({"cmd": "x", "params": "result_0, result_1"})");
    EXPECT_TRUE(tags.older_spelling);
    EXPECT_EQ(tags.tensors.size(), 2U);
    EXPECT_TRUE(parse_response(R"({"cmd": "x", "params": "two words, more"})").tensors.empty());
}

TEST(ResponseText, CarriesAFailure) {
    const auto response = parse_response(
        R"({"id": 1, "command": "x", "result": "error", "message": "m", "error": {"code": "E1004", "type": "T", "message": "text", "traceback": "tb", "extra": [1, {"a": []}]}})");
    ASSERT_TRUE(response.failure);
    EXPECT_EQ(response.failure->code, "E1004");
    EXPECT_EQ(response.failure->type, "T");
    EXPECT_EQ(response.failure->message, "text");
    EXPECT_EQ(response.failure->traceback, "tb");
    EXPECT_THROW(throw_failure(*response.failure, "x"), NotFoundError);
}

TEST(ResponseText, MembersThatAreNotKnownArePassedOver) {
    const auto response = parse_response(
        R"({"new": {"command": "wrong", "tensors": ["../x"], "deep": [[{"id": 3}]]}, "command": "right", "id": 1, "list": ["a", 1, null], "result": "r", "tensors": null})");
    EXPECT_EQ(response.command, "right");
    EXPECT_EQ(response.text, "r");
    EXPECT_EQ(response.id, 1U);
    EXPECT_TRUE(response.tensors.empty());
}

TEST(ResponseText, ThatIsMalformedIsRefusedWithItsReason) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "not JSON"},
        {"{", "not JSON"},
        {"[]", "expected a JSON object"},
        {"5", "expected a JSON object"},
        {R"({"id": "7"})", "expected a whole number in 'id'"},
        {R"({"id": -1})", "expected a whole number in 'id'"},
        {R"({"id": 1.5})", "expected a whole number in 'id'"},
        {R"({"command": 5})", "expected text in 'command'"},
        {R"({"result": {}})", "expected text in 'result'"},
        {R"({"tensors": "a"})", "expected a list in 'tensors'"},
        {R"({"tensors": [5]})", "tensor tags"},
        {R"({"tensors": [["a"]]})", "tensor tags"},
        {R"({"tensors": ["../a"]})", "'../a' in 'tensors' is not a tensor tag"},
        {R"({"error": "text"})", "expected an object in 'error'"},
        {R"({"error": {"code": 5}})", "expected text in 'code'"},
        {"{\"command\": \"\xff\"}", "not JSON"},
        {R"({"id": 1} {"id": 2})", "not JSON"},
    };
    for (const auto& [text, reason] : cases) {
        const auto error = expect_throw<InputError>([&text = text] { parse_response(text); });
        EXPECT_TRUE(contains(error.what(), reason)) << text;
    }
}

TEST(ResponseText, DeepNestingTakesNoStack) {
    EXPECT_THROW(parse_response(std::string(5'000'000, '[')), InputError);
    const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
    EXPECT_THROW(parse_response(R"({"x": )" + deep + R"(, "command": "c"})"), InputError);
}

// ------------------------------------------------------------------------------------------------------------- plain

const char* const kPlainResponse =
    R"({"id":18,"command":"matmul","result":"ok ~!#[]","message":"","tensors":["result_0","b"],"timestamp":1699123456789})";

TEST(PlainMessages, AreWhatEachSideWrites) {
    const auto request = make_request(" matmul a,b c=2", 7, false, 500).text;
    const auto plain = read_plain_request(request);
    ASSERT_TRUE(plain) << request;
    EXPECT_EQ(plain->command, "matmul");
    EXPECT_EQ(plain->parameters, "a,b c=2");
    EXPECT_EQ(plain->id, 7U);
    EXPECT_EQ(plain->deadline_ms, 500U);
    EXPECT_FALSE(read_plain_request(make_request("x", 7, false, 0).text)->deadline_ms);
    EXPECT_FALSE(read_plain_request(make_request("x \"y\"", 7, false, 0).text));
    EXPECT_FALSE(read_plain_request(make_request("x \xc3\xa9", 7, false, 0).text));

    const auto response = read_plain_response(write_plain_response(9, "c", "r", {"a", "b"}));
    ASSERT_TRUE(response);
    EXPECT_EQ(response->id, 9U);
    EXPECT_EQ(response->command, "c");
    EXPECT_EQ(response->text, "r");
    EXPECT_EQ(response->tensors, (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(read_plain_response(write_plain_response(9, "c", "r", {}))->tensors.empty());
    EXPECT_TRUE(read_plain_response(kPlainResponse));
}

/// What is read of a response; or that it is refused.
std::string told(const std::string& text) {
    try {
        const auto response = parse_response(text);
        std::string found = (response.id ? std::to_string(*response.id) : "none") + "|" + response.command + "|" +
                            response.text + "|" + response.message;
        for (const auto& tag : response.tensors) found += "|" + tag;
        return found + (response.failure ? "|failed" : "") + (response.more ? "|more" : "") +
               (response.older_spelling ? "|older" : "");
    } catch (const InputError&) {
        return "refused";
    }
}

/// A text like this one but for a few bytes.
std::string changed(std::string text, std::mt19937& random) {
    const std::string letters =
        "0123456789\"\"{}[],:\\ \x01\x7f\xc3\xa9"
        "abe-.";
    for (auto count = random() % 4; count > 0; --count) {
        const auto place = random() % text.size();
        const char letter = letters[random() % letters.size()];
        switch (random() % 3) {
            case 0:
                text[place] = letter;
                break;
            case 1:
                text.insert(place, 1, letter);
                break;
            default:
                text.erase(place, 1 + random() % 3);
        }
    }
    return text;
}

TEST(PlainMessages, MeanWhatTheyMeanAsJson) {
    std::mt19937 random(1);  // NOLINT: the same texts each time
    int plain = 0;
    for (int i = 0; i < 20'000; ++i) {
        const std::string response = changed(kPlainResponse, random);
        if (read_plain_response(response)) ++plain;
        EXPECT_EQ(told(response), told(" " + response)) << response;  // the blank makes it one that is not plain

        const std::string request = changed(make_request("matmul a,b", 7, false, 500).text, random);
        if (const auto found = read_plain_request(request)) {
            ++plain;
            const auto json = nlohmann::json::parse(request);
            EXPECT_EQ(found->command, json["command"]);
            EXPECT_EQ(found->parameters, json["parameters"]);
            EXPECT_EQ(found->id, json["id"]);
            EXPECT_EQ(found->deadline_ms.has_value(), json.contains("deadline_ms"));
            EXPECT_EQ(found->deadline_ms.value_or(0), json.value("deadline_ms", std::uint64_t{0}));
        }
    }
    EXPECT_GT(plain, 5'000);
}

TEST(TRExceptionTest, WhatDoesNotEndAtANul) {
    EXPECT_STREQ(InputError(std::string("'a\0' cannot", 11)).what(), "'a\\0' cannot");
}

}  // namespace
}  // namespace tr::test
