// What an endpoint takes and gives, checked: a hello's text and arguments in, what is sent or an error out.
#include <nlohmann/json.hpp>

#include "expectations.h"
#include "protocol/endpoint_call.h"
#include "protocol/message.h"
#include "protocol/plain_message.h"
#include "protocol/records.h"
#include "tech_renaissance.h"

namespace tr::test {
namespace {

using namespace tr::protocol;
using nlohmann::json;

std::shared_ptr<const Endpoints> offered(const std::string& endpoints, const std::string& more = "") {
    return parse_hello(R"({"protocol": 1, "features": ["endpoints"], "endpoints": )" + endpoints + more + "}").table;
}

/// Arguments as a call gives them.
class Arguments {
  public:
    Arguments& tensor(const Shape& shape, const std::string& name = "", DType dtype = DType::FP32) {
        return tensors({shape}, name, dtype, false);
    }
    Arguments& tensors(const std::vector<Shape>& shapes, const std::string& name = "", DType dtype = DType::FP32,
                       bool in_list = true) {
        given_.push_back({keep(name), nullptr, views.size(), shapes.size(), in_list});
        for (const auto& shape : shapes) views.emplace_back(&kMemory, shape, dtype);
        return *this;
    }
    Arguments& value(const Value& value, const std::string& name = "") {
        values_.push_back(std::make_unique<Value>(value));
        given_.push_back({keep(name), values_.back().get()});
        return *this;
    }
    const std::vector<Given>& given() const { return given_; }
    std::vector<TensorView> views;

  private:
    std::string_view keep(const std::string& name) {
        names_.push_back(std::make_unique<std::string>(name));
        return *names_.back();
    }
    static constexpr double kMemory = 0;  ///< nobody reads it
    std::vector<Given> given_;
    std::vector<std::unique_ptr<Value>> values_;
    std::vector<std::unique_ptr<std::string>> names_;
};

/// Endpoints with inputs of these types, called f.
class EndpointTypeTest : public testing::Test {
  protected:
    void declare(const std::string& inputs, const std::string& outputs = "[]", const std::string& more = "") {
        table_ = offered(R"([{"name": "f", "inputs": )" + inputs + R"(, "outputs": )" + outputs + more + "}]");
        endpoint_ = table_->find("f");
        sizes_.emplace(endpoint_->symbols);
    }
    void declare_tensors(const std::vector<std::pair<std::string, std::string>>& inputs) {
        json list = json::array();
        for (const auto& [name, dims] : inputs)
            list.push_back({{"name", name}, {"type", {{"kind", "tensor"}, {"dims", dims}}}});
        declare(list.dump());
    }
    CallPlan plan(const Arguments& arguments) {
        sizes_.emplace(endpoint_->symbols);
        return plan_call(*endpoint_, arguments.given(), arguments.views, *sizes_);
    }
    std::string refused(const Arguments& arguments) {
        return expect_throw<InputError>([&] { plan(arguments); }).what();
    }
    std::string refused(const std::string& type, const Value& value) {
        declare(R"([{"name": "x", "type": )" + type + "}]");
        return refused(Arguments().value(value));
    }
    void expect_taken(const std::string& type, const Value& value) {
        declare(R"([{"name": "x", "type": )" + type + "}]");
        EXPECT_EQ(plan(Arguments().value(value)).arguments, "{\"x\":" + value.to_json() + "}");
    }
    std::shared_ptr<const Endpoints> table_;
    const protocol::Endpoint* endpoint_ = nullptr;
    std::optional<Sizes> sizes_;
};

TEST_F(EndpointTypeTest, ValuesOfEachKind) {
    EXPECT_EQ(refused(R"({"kind": "int"})", "5"), "f: x is \"5\": expected an int");
    EXPECT_EQ(refused(R"({"kind": "int"})", true), "f: x is true: expected an int");
    EXPECT_EQ(refused(R"({"kind": "int"})", 2.0), "f: x is 2.0: expected an int");
    EXPECT_EQ(refused(R"({"kind": "float"})", "5"), "f: x is \"5\": expected a float");
    EXPECT_EQ(refused(R"({"kind": "bool"})", 1), "f: x is 1: expected a bool");
    EXPECT_EQ(refused(R"({"kind": "str"})", nullptr), "f: x is null: expected a str");
    EXPECT_EQ(refused(R"({"kind": "none"})", 0), "f: x is 0: expected None");
    EXPECT_EQ(refused(R"({"kind": "optional", "of": {"kind": "int"}})", "x"), "f: x is \"x\": expected an int");
    EXPECT_EQ(refused(R"({"kind": "enum", "values": ["a", 2]})", "b"), "f: x is \"b\": expected \"a\" or 2");
    EXPECT_EQ(refused(R"({"kind": "enum", "values": [1]})", true), "f: x is true: expected 1");
    EXPECT_EQ(refused(R"({"kind": "list", "of": {"kind": "int"}})", 3), "f: x is 3: expected a list, list[int]");
    EXPECT_EQ(refused(R"({"kind": "list", "of": {"kind": "int"}})", Value::List{1, "2"}),
              "f: x[1] is \"2\": expected an int");
    EXPECT_EQ(refused(R"({"kind": "dict", "of": {"kind": "str"}})", Value::Object{{"k", 1}}),
              "f: x['k'] is 1: expected a str");
    EXPECT_EQ(refused(R"({"kind": "tuple", "of": [{"kind": "int"}, {"kind": "str"}]})", Value::List{1}),
              "f: x is [1]: expected 2 values, tuple[int, str]");
    for (const auto& [type, value] : std::vector<std::pair<std::string, Value>>{
             {R"({"kind": "int"})", 5},
             {R"({"kind": "float"})", 5},
             {R"({"kind": "optional", "of": {"kind": "str"}})", nullptr},
             {R"({"kind": "enum", "values": ["a", 2]})", 2},
             {R"({"kind": "tuple", "of": [{"kind": "int"}, {"kind": "str"}]})", Value::List{1, "x"}},
             {R"({"kind": "any"})", Value::Object{{"a", Value::List{nullptr}}}},
             {R"({"kind": "of a version to come"})", 1}})
        expect_taken(type, value);
}

TEST_F(EndpointTypeTest, MembersOfAnObject) {
    const std::string type = R"({"kind": "object", "name": "Options", "fields": [
        {"name": "depth", "type": {"kind": "int"}, "required": true},
        {"name": "name", "type": {"kind": "str"}, "required": false}]})";
    EXPECT_EQ(refused(type, 3), "f: x is 3: expected the members of a Options: depth, name");
    EXPECT_EQ(refused(type, Value::Object{{"name", "x"}}), "f: x lacks depth: a Options has depth, name");
    EXPECT_EQ(refused(type, Value::Object{{"depth", 1}, {"dept", 1}}),
              "f: x has no member 'dept': a Options has depth, name");
    EXPECT_EQ(refused(type, Value::Object{{"depth", "1"}}), "f: x.depth is \"1\": expected an int");
    expect_taken(type, Value::Object{{"depth", 1}});
}

TEST_F(EndpointTypeTest, DtypesAndDims) {
    declare(R"([{"name": "image", "type": {"kind": "tensor", "dtypes": ["float32", "float16"], "dims": "b 3 h w"}},
                {"name": "mask", "type": {"kind": "tensor", "dims": "b h w"}, "required": false}])");
    const Shape good{2, 3, 8, 9};
    EXPECT_EQ(refused(Arguments().tensor(good, "", DType::FP64)), "f: image is float64: expected float32 or float16");
    EXPECT_EQ(refused(Arguments().tensor({2, 4, 8, 8})),
              "f: image has shape (2, 4, 8, 8): expected \"b 3 h w\", which has 3 at dim 1");
    EXPECT_EQ(refused(Arguments().tensor({8, 8})), "f: image has shape (8, 8): expected 4 dims, \"b 3 h w\"");
    EXPECT_EQ(refused(Arguments().tensor(good).tensor({2, 8, 7})),
              "f: mask has shape (2, 8, 7), 7 at dim 2: expected \"b h w\", and image has w = 9");
    EXPECT_TRUE(plan(Arguments().tensor(good).tensor({2, 8, 9})).order.empty());
    EXPECT_EQ(plan(Arguments().tensor(good).value(nullptr, "mask")).arguments, "") << "left out";
    EXPECT_EQ(refused(Arguments().value(5)), "f: image is 5: expected a tensor, float32 or float16 \"b 3 h w\"");
}

TEST_F(EndpointTypeTest, WordsOfDims) {
    const auto check = [this](const std::string& dims, const Shape& shape) {
        declare_tensors({{"x", "n *s"}, {"y", dims}});
        try {
            plan(Arguments().tensor({3, 4, 5}).tensor(shape));
            return std::string();
        } catch (const InputError& error) {
            return std::string(error.what());
        }
    };
    const std::string has = "f: y has shape ";
    EXPECT_EQ(check("_ _any ...", {1, 2, 7, 7}), "");
    EXPECT_EQ(check("... n", {7, 7, 3}), "");
    EXPECT_EQ(check("... n", {7, 7, 4}), has + "(7, 7, 4), 4 at dim 2: expected \"... n\", and x has n = 3");
    EXPECT_EQ(check("a ... n", {3}), has + "(3,): expected at least 2 dims, \"a ... n\"");
    EXPECT_EQ(check("*s n", {4, 5, 3}), "");
    EXPECT_EQ(check("*s n", {4, 3}), has + "(4, 3): expected \"*s n\", and x has (4, 5) for *s, not (4,)");
    EXPECT_EQ(check("#n", {1}) + check("#n", {3}), "");
    EXPECT_EQ(check("#n", {2}), has + "(2,), 2 at dim 0: expected \"#n\", and x has n = 3");
    EXPECT_EQ(check("n+1 n-1 2*n n*2", {4, 2, 6, 6}), "");
    EXPECT_EQ(check("n+1", {5}), has + "(5,): expected \"n+1\", which has n+1 = 4 at dim 0, as x has n = 3");
    EXPECT_EQ(check("2*n", {5}), has + "(5,): expected \"2*n\", which has 2*n = 6 at dim 0, as x has n = 3");
    EXPECT_EQ(check("m+1 #m", {9, 8}), "") << "nothing is known of it";
    EXPECT_EQ(check("", {}), "");
    for (const char* unknown : {"n/2", "n+m", "... *s", "a,b", "9999999999999999999", "n+", "#", "*"})
        EXPECT_EQ(check(unknown, {9, 9}), "") << "is left to the worker: " << unknown;
    EXPECT_TRUE(contains(check("999999999999999999*n", {9}), "(9,): expected")) << "whatever that is";
}

TEST_F(EndpointTypeTest, ArgumentsFindTheirInputs) {
    declare(R"([{"name": "image", "type": {"kind": "tensor"}},
                {"name": "radius", "type": {"kind": "int"}, "required": false, "default": 3},
                {"name": "kind", "type": {"kind": "str"}, "required": false, "by_name": true}])");
    EXPECT_EQ(plan(Arguments().tensor({1}).value(5)).arguments, R"({"radius":5})");
    EXPECT_EQ(plan(Arguments().value("x", "kind").value(5, "radius").tensor({1}, "image")).arguments,
              R"({"radius":5,"kind":"x"})");
    EXPECT_EQ(refused(Arguments()), "f: image is missing: expected tensor");
    EXPECT_EQ(refused(Arguments().tensor({1}).value(1).value("x")),
              "f takes 2 arguments without a name, found 3. It takes image, radius, kind");
    EXPECT_EQ(refused(Arguments().tensor({1}).value(1, "raduis")),
              "f: there is no input 'raduis': did you mean 'radius'? It takes image, radius, kind");
    EXPECT_EQ(refused(Arguments().tensor({1}).value(1, "zzzzzzz")),
              "f: there is no input 'zzzzzzz': It takes image, radius, kind");
    EXPECT_EQ(refused(Arguments().tensor({1}).tensor({1}, "image")), "f: image is given twice");
    EXPECT_EQ(refused(Arguments().tensor({1}).tensor({2, 3}, "radius")),
              "f: radius is a tensor, float32 of shape (2, 3): expected an int");
    EXPECT_EQ(refused(Arguments().tensors({{1}, {1}})), "f: image is a list of 2 tensors: expected a tensor");
    declare("[]");
    EXPECT_EQ(refused(Arguments().value(1, "x")), "f: there is no input 'x': It takes nothing");
}

TEST_F(EndpointTypeTest, TensorsGoInOrderAndHaveNamesWhereTheyNeedThem) {
    const std::string tensor = R"("type": {"kind": "tensor"})";
    declare(R"([{"name": "a1", )" + tensor + R"(}, {"name": "b1", "required": false, )" + tensor +
            R"(}, {"name": "c1", "required": false, )" + tensor + "}]");
    auto sent = plan(Arguments().tensor({1}, "c1").tensor({2}, "b1").tensor({3}, "a1"));
    EXPECT_EQ(sent.order, (std::vector<std::size_t>{2, 1, 0}));
    EXPECT_EQ(sent.names, "");
    sent = plan(Arguments().tensor({1}).tensor({2}, "c1"));
    EXPECT_TRUE(sent.order.empty());
    EXPECT_EQ(sent.names, "b c1");
}

TEST_F(EndpointTypeTest, AnyNumberOfTensors) {
    declare(R"([{"name": "first", "type": {"kind": "optional", "of": {"kind": "tensor"}}, "required": false},
                {"name": "rest", "type": {"kind": "list", "of": {"kind": "tensor", "dims": "n"}}, "required": false},
                {"name": "axis", "type": {"kind": "int"}, "required": false, "by_name": true}])");
    EXPECT_TRUE(plan(Arguments().tensor({1}).tensor({2}).tensor({2}).value(1, "axis")).order.empty());
    EXPECT_TRUE(plan(Arguments().tensor({1}).tensors({{2}, {2}, {2}})).order.empty());
    EXPECT_EQ(plan(Arguments().tensor({1}).value(Value::List{}, "rest")).arguments, "");
    EXPECT_EQ(refused(Arguments().tensor({1}).tensor({2}).tensor({3})),
              "f: rest has shape (3,), 3 at dim 0: expected \"n\", and rest has n = 2");
    EXPECT_EQ(refused(Arguments().tensors({{2}}, "rest")),
              "f: rest takes all tensors that are left: expected one for each input before it");
    EXPECT_EQ(refused(Arguments().tensor({1}).value(1, "rest")), "f: rest is 1: expected tensors, list[tensor \"n\"]");
}

TEST_F(EndpointTypeTest, OpenOnesTakeWhatTheyDoNotDeclare) {
    declare(R"([{"name": "x", "type": {"kind": "tensor"}}])", "[]", R"(, "open": true)");
    const auto sent = plan(Arguments().value(1, "more").tensor({2}, "extra").tensor({1}, "x"));
    EXPECT_EQ(sent.arguments, R"({"more":1})");
    EXPECT_EQ(sent.names, "b extra");
    EXPECT_EQ(sent.order, (std::vector<std::size_t>{1, 0}));
    EXPECT_EQ(refused(Arguments().tensor({1}).value(1, "more").value(1, "more")), "f: more is given twice");
}

TEST_F(EndpointTypeTest, ResultsHaveTheSymbolsOfTheInputs) {
    declare(
        R"([{"name": "x", "type": {"kind": "tensor", "dims": "n"}}])",
        R"([{"name": "result", "type": {"kind": "optional", "of": {"kind": "tensor", "dtypes": ["int8"], "dims": "n n"}}}])");
    plan(Arguments().tensor({3}));
    const std::int8_t memory = 0;
    check_result(*endpoint_, "result", TensorView(&memory, Shape(3, 3)), *sizes_);
    check_result(*endpoint_, "another", TensorView(&memory, Shape(4)), *sizes_);
    const auto error = expect_throw<RemoteError>(
        [&] { check_result(*endpoint_, "result", TensorView(&memory, Shape(3, 4)), *sizes_); });
    EXPECT_STREQ(
        error.what(),
        "f: result has shape (3, 4), 4 at dim 1: expected \"n n\", and x has n = 3, as its server declares it");
}

TEST(EndpointsTest, UnknownOnesAreToldOfUnlessThereIsSomethingElse) {
    const std::string two = R"([{"name": "blur"}, {"name": "sharpen"}])";
    const auto table = offered(two);
    EXPECT_EQ(table->find("blur")->name, "blur");
    const auto error = expect_throw<NotFoundError>([&] { table->find("blurr"); });
    EXPECT_STREQ(error.what(), "unknown command 'blurr': did you mean 'blur'? this server offers blur, sharpen");
    EXPECT_EQ(offered(two, R"(, "main_logic": true)")->find("blurr"), nullptr);
    EXPECT_EQ(offered("[]")->find("blurr"), nullptr);
    EXPECT_EQ(parse_hello(R"({"protocol": 1, "endpoints": )" + two + "}").table->find("blurr"), nullptr)
        << "a worker without the feature says names alone";
}

TEST(EndpointsTest, MalformedOnesAreRefused) {
    for (const char* endpoints :
         {"5", "[5]", R"([{"doc": "x"}])", R"([{"name": "f", "inputs": 5}])", R"([{"name": "f", "inputs": [{}]}])",
          R"([{"name": "f", "inputs": [{"name": "x", "type": 5}]}])",
          R"([{"name": "f", "inputs": [{"name": "x", "type": {"kind": "list"}}]}])",
          R"([{"name": "f", "inputs": [{"name": "x", "type": {"kind": "list", "of": []}}]}])",
          R"([{"name": "f", "inputs": [{"name": "x", "type": {"kind": "enum", "values": 5}}]}])",
          R"([{"name": "f", "inputs": [{"name": "x", "type": {"kind": "tensor", "dims": 5}}]}])",
          R"([{"name": "f", "outputs": [{"name": "x", "type": {"kind": "object", "fields": [5]}}]}])"})
        expect_throw<InputError>([&] { offered(endpoints); });
}

TEST(EndpointsTest, ACommandOfWhichNothingIsKnownGetsWhatIsGiven) {
    Arguments arguments;
    arguments.tensor({1}).tensor({1}, "obs").value(5, "depth");
    const auto sent = plan_call("torch.sum dim=1", arguments.given(), arguments.views);
    EXPECT_TRUE(sent.order.empty());
    EXPECT_EQ(sent.names, "b obs");
    EXPECT_EQ(sent.arguments, R"({"depth":5})");
    const auto refused = [](const Arguments& given) {
        return std::string(expect_throw<InputError>([&] { plan_call("c", given.given(), given.views); }).what());
    };
    EXPECT_TRUE(contains(refused(Arguments().value(5)), "'c' cannot be sent 5 without a name"));
    EXPECT_EQ(refused(Arguments().value(5, "x").tensor({1}, "x")), "c: x is given twice");
    EXPECT_TRUE(contains(refused(Arguments().tensors({{1}}, "x")), "c: x is a list of 1 tensors: expected one"));
}

TEST(EndpointsTest, ValuesOfAResponseAreReadAlikeByBothReaders) {
    const std::string start =
        R"({"id":1,"command":"c","result":"ok","message":"","tensors":[],"timestamp":5,"values":)";
    Response plain;
    EXPECT_TRUE(read_plain_response(start + R"({"z":[1,"é"],"a":0.5}})", plain));
    EXPECT_EQ(plain.values.to_json(), R"({"z":[1,"é"],"a":0.5})");
    EXPECT_EQ(parse_response(start + R"({"z":[1,"é"],"a":0.5}} )").values.to_json(), plain.values.to_json());
    EXPECT_EQ(parse_response(start + R"({"z":"\udcff"}})").values.to_json(), R"({"z":"\udcff"})");
    EXPECT_FALSE(read_plain_response(start + "5}", plain));
    const auto error = expect_throw<InputError>([&] { parse_response(start + "5}"); });
    EXPECT_STREQ(error.what(), "response: expected an object in 'values', found number");
    EXPECT_TRUE(parse_response(start + "null}").values.is_null());
}

}  // namespace
}  // namespace tr::test
