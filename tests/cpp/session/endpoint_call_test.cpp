// Calls of endpoints, with real workers.
#include <algorithm>
#include <atomic>
#include <future>
#include <thread>

#include "support.h"

namespace tr::test {
namespace {

using namespace std::chrono_literals;

class EndpointCallTest : public SessionTest {
  protected:
    SessionOptions endpoint_options(const std::string& kind = "") {
        auto chosen = options("endpoint_server");
        chosen.python = TR_TEST_PYTHON;
        chosen.environment["KIND"] = kind;
        return chosen;
    }
    void begin(const SessionOptions& chosen) {
        session_ = std::make_unique<PythonSession>(chosen);
        session_->start();
    }
    void SetUp() override { begin(endpoint_options()); }
    template <class... Args>
    std::string refused(const Args&... args) {
        return expect_throw<InputError>([&] { session_->call(args...); }).what();
    }
    const Tensor image_ = Tensor::ones(Shape(1, 3, 2, 4));
    std::unique_ptr<PythonSession> session_;
};

TEST_F(EndpointCallTest, EveryWayToGiveArguments) {
    const Tensor tripled = session_->call("scale", image_);
    EXPECT_TRUE(tripled.equal(Tensor::full(image_.shape(), 3)));
    const Tensor expected = Tensor::full(image_.shape(), 5);
    EXPECT_TRUE(session_->call("scale", image_, 5).tensor().equal(expected));
    EXPECT_TRUE(session_->call("scale", image_, 5, 10s).tensor().equal(expected));
    EXPECT_TRUE(session_->call("scale", image_, 5, Limit(10'000)).tensor().equal(expected));
    EXPECT_TRUE(session_->call("scale", {{"factor", 5}, {"image", image_}}).tensor().equal(expected));
    EXPECT_TRUE(session_->call("scale", {{"factor", 5}, {"image", image_}}, 10s).tensor().equal(expected));
    EXPECT_TRUE(session_->call("scale", image_, {{"factor", 5}}).tensor().equal(expected));
    EXPECT_TRUE(session_->call("scale", image_, 5, {{"kind", "b"}}, 10s).tensor().equal(expected));
    EXPECT_TRUE(session_->call("scale", TensorView(image_), NamedArgument("factor", 5)).tensor().equal(expected));
}

TEST_F(EndpointCallTest, ValuesAndTextsByNameAndByPosition) {
    const auto found = session_->call("classify", Tensor::ones(Shape(2, 2)));
    EXPECT_EQ(found.names(), (std::vector<std::string>{"label", "score", "mask"}));
    EXPECT_EQ(found.text("label"), "cat");
    EXPECT_EQ(found.text(), "cat");
    EXPECT_EQ(found.value("score").as_double(), 0.5);
    EXPECT_EQ(found.value(1), Value(0.5));
    EXPECT_EQ(found.tensor("mask").shape(), Shape(2, 2));
    EXPECT_EQ(Tensor(found).shape(), found.tensors().front().shape());
    const auto error = expect_throw<InputError>([&] { found.value("scor"); });
    EXPECT_STREQ(error.what(), "'classify' gave label (a text), score (a number), mask (a tensor): there is no 'scor'");
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { found.value(); }).what(), ": expected one value, or a name"));
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { found.tensor("label"); }).what(), "'label' is no tensor"));

    EXPECT_EQ(session_->call("repeat", "ab", 2).text(), "abab");
    EXPECT_EQ(session_->call("repeat", "ab", 2).value("result").as_text(), "abab");
    EXPECT_EQ(session_->call("nothing").size(), 0U);
    const Value back = session_->call("back", {{"x", {1, 2, 3}}}).value();
    EXPECT_EQ(back, Value(std::vector<int>{1, 2, 3}));
    const Value object = Value::Object{{"z", 1}, {"a", Value::Object{{"text", "\xc3\xa9\"\n"}}}};
    EXPECT_EQ(session_->call("back", object).value().to_json(), object.to_json()) << "in the same order";
    EXPECT_EQ(session_->call("back", {{"x", {{"depth", 2}, {"name", "y"}}}}).value()["name"].as_text(), "y");
}

TEST_F(EndpointCallTest, AnyNumberOfTensors) {
    const Tensor part = Tensor::ones(Shape(2));
    EXPECT_EQ(session_->call("join", part, part, part).tensor().shape(), Shape(6));
    EXPECT_EQ(session_->call("join", std::vector<Tensor>(4, part)).tensor().shape(), Shape(8));
    EXPECT_EQ(session_->call("join", {{"parts", std::vector<TensorView>(2, part)}}).tensor().shape(), Shape(4));
}

TEST_F(EndpointCallTest, NothingIsSentThatTheServerWouldRefuse) {
    session_->wait_until_ready();
    EXPECT_EQ(refused("scale", Tensor::ones(Shape(1, 4, 2, 4))),
              "scale: image has shape (1, 4, 2, 4): expected \"b 3 h w\", which has 3 at dim 1");
    EXPECT_EQ(refused("scale", image_, "5"), "scale: factor is \"5\": expected an int");
    EXPECT_EQ(refused("scale"), "scale: image is missing: expected float32 \"b 3 h w\"");
    EXPECT_EQ(refused("frames", 3), "'frames' answers in parts: call it with stream(), which gives them one by one");
    const auto unknown = expect_throw<NotFoundError>([&] { session_->call("scalee", image_); });
    EXPECT_TRUE(contains(unknown.what(), "unknown command 'scalee': did you mean 'scale'? this server offers scale, "));
    EXPECT_EQ(session_->stats().requests, 0U);
    EXPECT_TRUE(session_->call("scale", image_).tensor().defined()) << "goes on as ever";
}

TEST_F(EndpointCallTest, AStreamHasArgumentsToo) {
    int sum = 0;
    for (const Tensor& part : session_->stream("frames", {{"n", 4}})) sum = 10 * sum + int(part.data<float>()[0]);
    EXPECT_EQ(sum, 123);
    const std::vector<NamedArgument> given{{"n", 2}};
    auto stream = session_->stream("frames", given, 10s);
    EXPECT_TRUE(stream.next() && stream.next() && !stream.next());
    EXPECT_EQ(expect_throw<InputError>([&] { session_->stream("frames", {{"n", 2.5}}); }).what(),
              std::string("frames: n is 2.5: expected an int"));
    EXPECT_TRUE(session_->call("scale", std::vector<NamedArgument>{{"image", image_}}, 10s).tensor().defined());
}

TEST_F(EndpointCallTest, PartsOfAStreamAreResults) {
    auto steps = session_->stream("steps", {{"n", 3}});
    for (int i = 0; i < 3; ++i) {
        const auto part = steps.next_part();
        ASSERT_TRUE(part);
        EXPECT_EQ(part->text("label"), "step " + std::to_string(i));
        EXPECT_EQ(part->value("score").as_double(), i / 2.0);
        EXPECT_EQ(part->tensor("mask").shape(), Shape(1, i));
    }
    EXPECT_FALSE(steps.next_part());
    EXPECT_FALSE(steps.next());
    auto frames = session_->stream("frames", {{"n", 2}});
    EXPECT_EQ(frames.next_part()->tensor().shape(), Shape(2));
    EXPECT_TRUE(frames.next() && !frames.next_part());
    auto unread = session_->stream("steps", {{"n", 1}});
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { unread.next(); }).what(), "holds 'label', which is no tensor"));
    EXPECT_EQ(unread.next_part()->text("label"), "step 0") << "it is there all the same";
    EXPECT_FALSE(unread.next());
}

TEST_F(EndpointCallTest, ListsOfTensors) {
    const Result found = session_->call("boxes", 3);
    ASSERT_TRUE(found.size() == 1 && found.is_list(0) && found.has("result"));
    EXPECT_EQ(found.tensors("result").size(), 3U);
    EXPECT_EQ(found.tensors()[2].shape(), Shape(2));
    EXPECT_EQ(expect_throw<InputError>([&] { found.value("result"); }).what(),
              std::string("'boxes' gave result (a list of 3 tensors): 'result' is a list of 3 tensors, read it with "
                          "tensors()"));
    EXPECT_TRUE(session_->call("boxes", 0).tensors(0).empty());
}

TEST_F(EndpointCallTest, AServerSaysHowItIs) {
    EXPECT_EQ(session_->health(), "");
    begin(endpoint_options("unwell"));
    EXPECT_EQ(session_->health(), "out of sorts");
    session_.reset();
    begin(options("text_server"));
    EXPECT_EQ(session_->health(), "") << "it has no such hook";
}

TEST_F(EndpointCallTest, StatsTellOfBatches) {
    EXPECT_TRUE(session_->stats().batches.empty());
    begin(endpoint_options("batches"));
    for (int i = 0; i < 3; ++i) session_->call("batched", Tensor::ones(Shape(2, 3)));
    while (session_->stats().batches["batched"].calls < 3) session_->call("nothing");  // it tells now and then
    const BatchStats found = session_->stats().batches["batched"];
    EXPECT_EQ(found.rows, (std::map<std::uint64_t, std::uint64_t>{{2, 3}}));
    EXPECT_EQ(found.closed, (std::map<std::string, std::uint64_t>{{"nobody else", 3}}));
    EXPECT_TRUE(found.batches() == 3 && found.mean_rows() == 2 && found.failed == 0);
}

TEST_F(EndpointCallTest, ResultsThatAreNotAsDeclared) {
    const auto error = expect_throw<InputError>([&] { session_->call("wrong"); });
    EXPECT_TRUE(contains(error.what(), "wrong: the result is float64: expected float32")) << error.what();
}

TEST_F(EndpointCallTest, WhatTheServerOffers) {
    const auto all = session_->endpoints();
    ASSERT_FALSE(all.empty());
    const Endpoint& scale = all.front();
    EXPECT_EQ(scale.name + ": " + scale.doc, "scale: Multiplies.");
    ASSERT_EQ(scale.inputs.size(), 3U);
    EXPECT_EQ(scale.inputs[0].type, "float32 \"b 3 h w\"");
    EXPECT_TRUE(scale.inputs[0].required);
    EXPECT_EQ(scale.inputs[1].preset, Value(3));
    EXPECT_TRUE(scale.inputs[2].by_name);
    EXPECT_EQ(scale.outputs.at(0).type, "float32 \"b 3 h w\"");
    const auto is_stream = [](const Endpoint& one) { return one.stream; };
    EXPECT_EQ(std::count_if(all.begin(), all.end(), is_stream), 2);
    PythonSession none(endpoint_options());
    EXPECT_THROW(none.endpoints(), InputError);
}

TEST_F(EndpointCallTest, BesideTheCaller) {
    std::vector<ResultFuture> futures;
    for (int i = 0; i < 4; ++i) futures.push_back(session_->call_async("scale", image_.clone(), i));
    for (int i = 0; i < 4; ++i)
        EXPECT_TRUE(futures[static_cast<std::size_t>(i)].get().tensor().equal(Tensor::full(image_.shape(), i)));
    ResultFuture named = session_->call_async("repeat", {{"text", "x"}, {"n", 3}}, 10s);
    WaitSet waiting;
    waiting.add(named, 7);
    EXPECT_EQ(waiting.wait(10'000)->key, 7U);
    EXPECT_EQ(named.get().text(), "xxx");
    EXPECT_THROW(session_->call_async("scale", 5).get(), InputError);
    const ResultFuture waits = session_->call_async("wait_until_cancelled");
    ResultFuture second = session_->call_async("scale", image_);
    second.cancel();
    EXPECT_THROW(second.get(), RetryError);
    waits.cancel();
}

TEST_F(EndpointCallTest, AfterADeathAnotherWorkerIsAsked) {
    auto chosen = endpoint_options();
    chosen.session_id = "recovers";
    chosen.restart.attempts = 1;
    chosen.restart.idempotent = {"scale"};
    begin(chosen);
    EXPECT_THROW(session_->call("die"), RestartError);
    EXPECT_TRUE(session_->call("scale", image_, 2).tensor().defined());
    EXPECT_EQ(session_->stats().epoch, 2U);
}

TEST_F(EndpointCallTest, AServerWithAMainLogicGetsTheOtherCommands) {
    begin(endpoint_options("logic"));
    EXPECT_EQ(session_->call("scale", image_).tensor().shape(), image_.shape());
    EXPECT_EQ(session_->call("other", image_, {{"depth", 5}}).text(), "other a {'depth': 5}");
    EXPECT_EQ(session_->call("other rest", NamedArgument("obs", image_)).text(), "other a rest {}");
    EXPECT_TRUE(contains(refused("other", 5), "'other' cannot be sent 5 without a name"));
    auto without = options("text_server");
    without.session_id = "old";
    PythonSession old(without);
    old.start();
    EXPECT_EQ(old.call("echo hello").text(), "hello");
    EXPECT_TRUE(old.endpoints().empty());
}

TEST_F(EndpointCallTest, OnEachThreadAtTheSameTime) {
    auto chosen = endpoint_options("threads");
    chosen.session_id = "threads";
    chosen.max_ongoing_requests = 3;
    begin(chosen);
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int number = 0; number < 3; ++number)
        threads.emplace_back([&, number] {
            for (int i = 0; i < 20; ++i)
                if (session_->call("repeat", std::to_string(number), 3).text() != std::string(3, char('0' + number)))
                    ++wrong;
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

TEST_F(EndpointCallTest, ThreadsOfAClientCallAtOnceAsSoonAsItIsThere) {
    auto chosen = endpoint_options();
    chosen.max_ongoing_requests = 8;
    for (int round = 0; round < 20; ++round) {
        PythonSession client = PythonSession::connect("test", chosen);
        std::vector<std::future<void>> calls;
        for (int i = 0; i < 8; ++i)
            calls.push_back(std::async(std::launch::async, [&] {
                EXPECT_TRUE(client.call("scale", image_).tensor().equal(Tensor::full(image_.shape(), 3)));
            }));
        for (auto& call : calls) call.get();
    }
}

}  // namespace
}  // namespace tr::test
