// The messages alone: text in, values out.
#include "protocol/message.h"

#include <array>
#include <nlohmann/json.hpp>
#include <random>

#include "expectations.h"
#include "protocol/json_object.h"
#include "protocol/names.h"
#include "protocol/plain_message.h"
#include "protocol/process_lines.h"
#include "protocol/records.h"
#include "tech_renaissance.h"

namespace tr::test {
namespace {

using namespace tr::protocol;

TEST(RequestText, IsSplitAtTheFirstBlank) {
    const auto request = make_request("matmul a b", 7, false, 500);
    const auto json = nlohmann::json::parse(request.text);
    EXPECT_EQ(json["command"], "matmul");
    EXPECT_EQ(json["parameters"], "a b");
    EXPECT_EQ(json["id"], 7);
    EXPECT_EQ(json["deadline_ms"], 500);
    EXPECT_TRUE(json["timestamp"].is_number_integer());
    EXPECT_FALSE(json.contains("cmd"));
}

TEST(RequestText, NothingElseOfItIsChanged) {
    for (const auto& [message, command, parameters] :
         std::vector<std::array<std::string, 3>>{{"complete   def f():\n", "complete", "  def f():\n"},
                                                 {"run\tx y", "run\tx", "y"},
                                                 {"run\nx", "run\nx", ""},
                                                 {"run ", "run", ""},
                                                 {"run  ", "run", " "}}) {
        const auto json = nlohmann::json::parse(make_request(message, 1, false, 0).text);
        EXPECT_EQ(json["command"], command);
        EXPECT_EQ(json["parameters"], parameters);
    }
    expect_throw<InputError>([] { make_request(" x", 1, false, 0); });
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

TEST(RequestText, BytesThatAreNotUtf8AreHalfCharactersToPython) {
    const std::string text = make_request("echo \xff\xfe \xc3\xa9 \xed\xa0\x80 \xf4\x90 \xe2\x82", 1, false, 0).text;
    EXPECT_TRUE(contains(text, R"("parameters":"\udcff\udcfe )"
                               "\xc3\xa9"
                               R"( \udced\udca0\udc80 \udcf4\udc90 \udce2\udc82")"));
    const std::string any = "a\xff\"\\\n\x80 \xf0\x9f\x98\x80\xef\xbf\xbf b \xef\xbf\xbf";
    const auto answer =
        parse_response(R"({"command": "c", "tensors": [], "id": 1, "result": )" + quote_json(any) + "}");
    EXPECT_EQ(answer.text, any);
}

TEST(ResponseText, HalfCharactersOfOtherKindsAreRefused) {
    for (const char* text : {R"("\ud800")", R"("\udc00")", R"("\udc7f")", R"("\udcff \ud800")", R"("\udfff")"})
        expect_throw<InputError>([&] { parse_response(std::string(R"({"command": "c", "result": )") + text + "}"); });
    const auto answer = parse_response(R"({"command": "c", "result": "\\udcff \ud83d\ude00 \uFFFF \uDCAB \\\udcff"})");
    EXPECT_EQ(answer.text, "\\udcff \xf0\x9f\x98\x80 \xef\xbf\xbf \xab \\\xff");
}

TEST(RequestText, OverTheLimitIsRefused) {
    const std::string huge(kMaxMessageBytes + 1, 'x');
    const auto error = expect_throw<InputError>([&] { make_request(huge, 1, false, 0); });
    EXPECT_EQ(error.code(), ErrorCode::request_too_large);
    EXPECT_TRUE(contains(error.what(), "send data of this size as a tensor"));
    EXPECT_LT(std::string(error.what()).size(), 200U);
}

TEST(RequestText, CarriesArgumentsAndATraceparent) {
    const Attached attached{R"({"dim": 1, "of": [{"x": "\u00e9"}]})", "00-ab-cd-01"};
    for (const char* message : {"sum a", "sum \xc3\xa9", R"({"command": "sum", "arguments": null})"}) {
        const auto request = make_request(message, 7, false, 500, attached);
        EXPECT_TRUE(request.has_arguments);
        const auto json = nlohmann::json::parse(request.text);
        EXPECT_EQ(json["command"], "sum");
        EXPECT_EQ(json["id"], 7);
        EXPECT_EQ(json["arguments"], nlohmann::json::parse(attached.arguments));
        EXPECT_EQ(json["traceparent"], "00-ab-cd-01");
    }
    const auto request = make_request("sum a", 7, true, 0);
    EXPECT_FALSE(request.has_arguments);
    EXPECT_FALSE(nlohmann::json::parse(request.text).contains("arguments"));
}

TEST(RequestText, AnObjectMayHaveThemItself) {
    const auto request =
        make_request(R"({"command": "sum", "arguments": {"dim": 1}, "traceparent": "t"})", 7, false, 0);
    EXPECT_TRUE(request.has_arguments);
    EXPECT_EQ(nlohmann::json::parse(request.text)["arguments"]["dim"], 1);
    for (const auto& [message, attached, reason] : std::vector<std::tuple<std::string, Attached, std::string>>{
             {R"({"command": "c", "arguments": {}})", {"{}", ""}, "a request has one 'arguments'"},
             {R"({"command": "c", "traceparent": "t"})", {"", "t"}, "a request has one 'traceparent'"},
             {R"({"command": "c", "arguments": [1]})", {}, "expected an object in 'arguments', found array"},
             {R"({"command": "c", "traceparent": 5})", {}, "expected text in 'traceparent', found number"}}) {
        const auto error = expect_throw<InputError>([&m = message, &a = attached] { make_request(m, 1, false, 0, a); });
        EXPECT_TRUE(contains(error.what(), reason)) << error.what();
    }
}

TEST(RequestText, WithOtherArgumentsThanAnObjectIsRefused) {
    const std::string deep = std::string(63, '[') + std::string(63, ']');
    for (const auto& [arguments, reason] : std::vector<std::pair<std::string, std::string>>{
             {"[1]", "arguments: expected a JSON object, found array"},
             {"dim=1", "arguments is not JSON"},
             {"{},\"command\":\"d\"", "arguments is not JSON"},
             {"{\"a\":\"\xff\"}", "arguments is not JSON"},
             {"{\"a\":" + deep + "}", "arguments: nested more than 63 deep"}}) {
        const auto error = expect_throw<InputError>([&a = arguments] { make_request("c", 1, false, 0, {a, ""}); });
        EXPECT_TRUE(contains(error.what(), reason)) << error.what();
    }
    EXPECT_THROW(make_request("c", 1, false, 0, {"", "00-\"-1"}), InputError);
}

TEST(RequestText, WithAMemberThatNobodyKnowsIsRefusedWithTheNearest) {
    for (const auto& [member, meant] :
         std::vector<std::pair<std::string, std::string>>{{"paramters", "did you mean 'parameters'? "},
                                                          {"Arguments", "did you mean 'arguments'? "},
                                                          {"traceparents", "did you mean 'traceparent'? "},
                                                          {"lr", ""},
                                                          {"", ""}}) {
        const std::string message = R"({"command": "c", ")" + member + R"(": null})";
        const auto error = expect_throw<InputError>([&] { make_request(message, 1, false, 0); });
        EXPECT_EQ(error.what(), "request: there is no member '" + member + "': " + meant +
                                    "expected 'command', 'parameters', 'arguments' or 'traceparent'; named values go "
                                    "into 'arguments'");
    }
    const std::string all =
        R"({"command": "c", "parameters": "p", "cmd": "c", "params": "p", "arguments": {}, "traceparent": "t",
            "id": 1, "timestamp": 2, "deadline_ms": 3, "buffers": ""})";
    EXPECT_EQ(nlohmann::json::parse(make_request(all, 7, false, 0).text)["id"], 7);
    EXPECT_EQ(nlohmann::json::parse(make_request(R"({"cmd": "c", "more": 1})", 7, false, 0).text)["more"], 1)
        << "programs in the older spelling have always sent more";
}

TEST(RequestText, ParametersMayBeAnObjectOrAList) {
    for (const char* name : {"parameters", "params"}) {
        const auto parameters = [name](const std::string& value) {
            const auto text =
                make_request(R"({"command": "c", ")" + std::string(name) + R"(": )" + value + "}", 7, false, 0);
            return nlohmann::json::parse(text.text)[name];
        };
        EXPECT_EQ(parameters(R"({"lr": 1e-3, "name": "\u00e9"})"), R"({"lr":0.001,"name":"é"})");
        EXPECT_EQ(parameters("[1, [true]]"), "[1,[true]]");
    }
    EXPECT_THROW(make_request(R"({"command": "c", "parameters": 5})", 7, true, 0), InputError);
}

TEST(RequestText, CarriesNamesOfTensors) {
    const auto request = make_request("step a,b", 7, false, 500, {"", "", "a obs b act"});
    EXPECT_EQ(nlohmann::json::parse(request.text)["names"], "a obs b act");
    const auto plain = read_plain_request(request.text);
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->names, "a obs b act");
    EXPECT_FALSE(nlohmann::json::parse(make_request("step a,b", 7, false, 500).text).contains("names"));
}

TEST(TensorNames, AreTakenApart) {
    const auto names = parse_names("a obs b layer.0");
    ASSERT_EQ(names.size(), 2U);
    EXPECT_EQ(names[1].first, "b");
    EXPECT_EQ(names[1].second, "layer.0");
    EXPECT_TRUE(parse_names("").empty());
    for (const char* text :
         {"a", "a ", " a obs", "a obs ", "a  obs", "a ../b", "../a obs", "a obs b", "a obs b obs", "a obs a act"}) {
        const auto error = expect_throw<InputError>([text] { parse_names(text); });
        EXPECT_TRUE(contains(error.what(), "in 'names' does not name tensors")) << error.what();
    }
}

TEST(TensorNames, ComeWithTagsOfInputs) {
    EXPECT_EQ(input_tag(0), "a");
    EXPECT_EQ(input_tag(25), "z");
    EXPECT_EQ(input_tag(26), "input_26");
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
        {R"({"tensors": [5]})", "expected texts in 'tensors', found number"},
        {R"({"tensors": [["a"]]})", "expected texts in 'tensors', found array"},
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
    R"({"id":18,"command":"matmul","result":"ok ~!#[]","message":"","tensors":["result_0","b"],"names":"b loss","timestamp":1699123456789})";

const char* const kPlainValues =
    R"({"id":18,"command":"f","result":"ok","message":"","tensors":[],"timestamp":1,"values":{"a":-1.25,"b":[17,true,{"c":"d"},null],"e":0.1,"f":123456789012345,"g":-0}})";

TEST(PlainMessages, AreWhatEachSideWrites) {
    const auto request = make_request("matmul a,b c=2", 7, false, 500).text;
    const auto plain = read_plain_request(request);
    ASSERT_TRUE(plain) << request;
    EXPECT_EQ(plain->command, "matmul");
    EXPECT_EQ(plain->parameters, "a,b c=2");
    EXPECT_EQ(plain->id, 7U);
    EXPECT_EQ(plain->deadline_ms, 500U);
    EXPECT_FALSE(read_plain_request(make_request("x", 7, false, 0).text)->deadline_ms);
    EXPECT_FALSE(read_plain_request(make_request("x \"y\"", 7, false, 0).text));
    EXPECT_FALSE(read_plain_request(make_request("x \xc3\xa9", 7, false, 0).text));

    const std::string arguments = R"({"dim": 1, "of": {"names": ["a", "\u00e9\n"]}})";
    const auto with = make_request("sum a", 7, false, 500, {arguments, "00-ab-cd-01"}).text;
    ASSERT_TRUE(read_plain_request(with)) << with;
    EXPECT_EQ(read_plain_request(with)->arguments, arguments);
    EXPECT_EQ(read_plain_request(with)->traceparent, "00-ab-cd-01");
    EXPECT_EQ(read_plain_request(with)->deadline_ms, 500U);

    Response response;
    ASSERT_TRUE(read_plain_response(write_plain_response(9, "c", "r", {"a", "b"}, "a 7 .x"), response));
    EXPECT_EQ(response.id, 9U);
    EXPECT_EQ(response.command, "c");
    EXPECT_EQ(response.text, "r");
    EXPECT_EQ(response.tensors, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(response.buffers, "a 7 .x");
    EXPECT_TRUE(read_plain_response(write_plain_response(9, "c", "r", {}, ""), response));
    EXPECT_TRUE(response.tensors.empty());
    EXPECT_TRUE(read_plain_response(kPlainResponse, response));
}

TEST(PlainMessages, HoldNumbersOfAnyLength) {
    for (std::uint64_t id : {std::uint64_t{0}, std::uint64_t{9}, std::uint64_t{10}, std::uint64_t{99},
                             std::uint64_t{100}, std::uint64_t{4'711}, std::uint64_t{1'000'000'000'000}, UINT64_MAX}) {
        EXPECT_EQ(nlohmann::json::parse(make_request("x y", id, false, 0).text)["id"], id);
        EXPECT_EQ(nlohmann::json::parse(write_plain_response(id, "x", "y", {}, ""))["id"], id);
    }
}

TEST(PlainMessages, AreOfPrintableAsciiWithoutQuotesAndBackslashes) {
    for (std::size_t place = 0; place < 20; ++place)
        for (int letter = 0; letter < 256; ++letter) {
            std::string text(20, 'x');
            text[place] = static_cast<char>(letter);
            EXPECT_EQ(is_plain(text), letter >= ' ' && letter <= '~' && letter != '"' && letter != '\\')
                << letter << " at " << place;
        }
}

/// What is read of a response; or that it is refused.
std::string told(const std::string& text) {
    try {
        const auto response = parse_response(text);
        std::string found = (response.id ? std::to_string(*response.id) : "none") + "|" + response.command + "|" +
                            response.text + "|" + response.message;
        for (const auto& tag : response.tensors) found += "|" + tag;
        found += "|" + response.names + "|" + response.values.to_json();
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
        if (Response unused; read_plain_response(response, unused)) ++plain;
        EXPECT_EQ(told(response), told(" " + response)) << response;  // the blank makes it one that is not plain
        const std::string values = changed(kPlainValues, random);
        if (Response unused; read_plain_response(values, unused)) ++plain;
        EXPECT_EQ(told(values), told(" " + values)) << values;

        const Attached attached = i % 2 == 0 ? Attached{} : Attached{R"({"dim":[1,{"a":"b"}]})", "00-ab", "a obs"};
        const std::string request = changed(make_request("matmul a,b", 7, false, 500, attached).text, random);
        if (const auto found = read_plain_request(request)) {
            ++plain;
            const auto json = nlohmann::json::parse(request);
            EXPECT_EQ(found->command, json["command"]);
            EXPECT_EQ(found->parameters, json["parameters"]);
            EXPECT_EQ(found->id, json["id"]);
            EXPECT_EQ(found->deadline_ms.has_value(), json.contains("deadline_ms"));
            EXPECT_EQ(found->deadline_ms.value_or(0), json.value("deadline_ms", std::uint64_t{0}));
            EXPECT_EQ(found->names, json.value("names", ""));
            EXPECT_EQ(found->traceparent, json.value("traceparent", ""));
            EXPECT_EQ(found->arguments.empty(), !json.contains("arguments"));
            if (!found->arguments.empty()) {
                EXPECT_EQ(nlohmann::json::parse(found->arguments), json["arguments"]) << request;
            }
        }
    }
    EXPECT_GT(plain, 5'000);
}

// ------------------------------------------------------------------------------------------------- records and lines

TEST(HelloText, SaysWhatTheWorkerCanDo) {
    const auto hello = parse_hello(
        R"({"protocol": 1, "epoch": 3, "pid": 9, "python": "3.11", "carrier": "files", "wake_up": "polling",
            "fallback": "why", "features": ["cancel", "arguments"], "refused": "no room",
            "endpoints": [{"name": "sum", "inputs": ["x"], "doc": "d"}, {"name": "b"}]})");
    EXPECT_EQ(hello.epoch, 3U);
    EXPECT_EQ(hello.fallback, "why");
    EXPECT_EQ(hello.refused, "no room");
    EXPECT_TRUE(hello.has_feature(kArgumentsFeature));
    EXPECT_FALSE(hello.has_feature("argument"));
    EXPECT_EQ(hello.endpoints, (std::vector<std::string>{"sum", "b"}));
}

TEST(HelloText, OfAnOlderWorkerPromisesNothing) {
    const auto hello = parse_hello(R"({"protocol": 1, "epoch": 1, "commands": []})");
    EXPECT_FALSE(hello.has_feature(kArgumentsFeature));
    EXPECT_TRUE(hello.endpoints.empty());
    EXPECT_TRUE(hello.refused.empty());
    for (const auto& older : {std::optional<Hello>(), std::optional(hello)}) {
        const auto error = expect_throw<InputError>([&older] { require_arguments_feature(older, "sum"); });
        EXPECT_TRUE(contains(error.what(), "'sum' cannot be sent with arguments")) << error.what();
        const auto names = expect_throw<InputError>([&older] { require_names_feature(older, "sum"); });
        EXPECT_TRUE(contains(names.what(), "'sum' cannot be sent with names for its tensors")) << names.what();
    }
    require_arguments_feature(parse_hello(R"({"protocol": 1, "features": ["arguments"]})"), "sum");
    require_names_feature(parse_hello(R"({"protocol": 1, "features": ["names"]})"), "sum");
}

TEST(HelloText, ThatIsMalformedIsRefusedWithItsReason) {
    for (const auto& [text, reason] : std::vector<std::pair<std::string, std::string>>{
             {R"({"protocol": 2})", "speaks version 2"},
             {R"({"protocol": 1, "features": "cancel"})", "expected a list in 'features', found string"},
             {R"({"protocol": 1, "features": [1]})", "expected texts in 'features', found number"},
             {R"({"protocol": 1, "endpoints": ["a"]})", "expected objects in 'endpoints', found string"},
             {R"({"protocol": 1, "endpoints": [{}]})", "has no 'name'"}}) {
        const auto error = expect_throw<InputError>([&text = text] { parse_hello(text); });
        EXPECT_TRUE(contains(error.what(), reason)) << error.what();
    }
}

TEST(SessionText, SaysWhoseTagsAChannelMayNameAsWell) {
    SessionRecord record;
    record.session_id = "s";
    record.host_pid = 4711;
    record.host_start_time = "12";
    record.epoch = 2;
    record.carriers = {"files"};
    EXPECT_FALSE(nlohmann::json::parse(encode_session(record)).contains("tags_of"));
    record.tags_of = "";
    EXPECT_EQ(nlohmann::json::parse(encode_session(record))["tags_of"], "");
    const auto read = parse_session(encode_session(record));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->session_id, "s");
    EXPECT_EQ(read->host_pid, 4711);
    EXPECT_EQ(read->host_start_time, "12");
    EXPECT_EQ(read->epoch, 2U);
    EXPECT_FALSE(parse_session("[]"));
}

TEST(WhereText, TellsOfARequestOrTheStart) {
    const std::string text = R"({"7": {"place": "/s.py:3, in f", "stack": "lines"}, "start": {"place": "/s.py:1, in g"},
                                "8": {"place": "", "stack": "lines"}})";
    const auto found = parse_where(text, 7);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->place, "/s.py:3, in f");
    EXPECT_EQ(found->stack, "lines");
    EXPECT_EQ(parse_where(text, std::nullopt)->place, "/s.py:1, in g");
    EXPECT_FALSE(parse_where(text, 8));  // nothing of the user's
    EXPECT_FALSE(parse_where(text, 9));
    for (const char* wrong : {"", "{", "[]", "7", R"({"7": 7})", R"({"7": {"place": 7}})", R"({"7": []})"})
        EXPECT_FALSE(parse_where(wrong, 7)) << wrong;
}

TEST(TemplateLines, AskForAForkAndForAStatus) {
    const auto fork = nlohmann::json::parse(encode_fork({{"script.py", "id"}, {"A=b"}, "/tmp", "/tmp/log"}))["fork"];
    EXPECT_EQ(fork["arguments"], (std::vector<std::string>{"script.py", "id"}));
    EXPECT_EQ(fork["environment"], (std::vector<std::string>{"A=b"}));
    EXPECT_EQ(fork["working_directory"], "/tmp");
    EXPECT_EQ(fork["output"], "/tmp/log");
    EXPECT_EQ(encode_reap(12), R"({"reap":12})");
    const auto error = expect_throw<RestartError>([] { encode_fork({{"\xff"}, {}, "", ""}); });
    EXPECT_TRUE(contains(error.what(), "that is not UTF-8"));
}

TEST(TemplateLines, AnswerOrSayWhyNot) {
    EXPECT_TRUE(parse_template_reply(R"({"ready": true, "reason": ""})").ready);
    EXPECT_EQ(parse_template_reply(R"({"ready": false, "reason": "threads"})").reason, "threads");
    EXPECT_EQ(parse_template_reply(R"({"pid": 12})").pid, 12);
    EXPECT_EQ(parse_template_reply(R"({"status": 0})").status, 0);
    EXPECT_EQ(parse_template_reply(R"({"reason": "no memory"})").reason, "no memory");
    for (const char* line : {"", "no JSON", "[]", R"({"pid": "12"})", R"({"pid": -1})", R"({"ready": 1})"}) {
        const auto reply = parse_template_reply(line);
        EXPECT_FALSE(reply.ready || reply.status || reply.pid > 0) << line;
        EXPECT_EQ(reply.reason, "it said '" + std::string(line) + "'");
    }
}

TEST(GuardianLines, NameAllThatIsToBeLookedAfter) {
    EXPECT_EQ(encode_guarded({}), "[]");
    EXPECT_EQ(encode_guarded({{"/a", {12, "345"}}, {"/b", {}}}), R"([["/a",12,"345"],["/b",0,""]])");
    // A directory whose name is not UTF-8 is lost, its worker is not.
    EXPECT_TRUE(contains(encode_guarded({{"/\xff", {12, "345"}}}), R"(",12,"345"]])"));
}

TEST(TRExceptionTest, WhatDoesNotEndAtANul) {
    EXPECT_STREQ(InputError(std::string("'a\0' cannot", 11)).what(), "'a\\0' cannot");
}

}  // namespace
}  // namespace tr::test
