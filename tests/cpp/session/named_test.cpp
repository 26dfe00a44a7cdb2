// Tensors with names, both ways; and limits of any kind.
#include <future>
#include <map>
#include <thread>

#include "support.h"

namespace tr::test {
namespace {

using namespace std::chrono_literals;
using Named = std::map<std::string, Tensor>;

Tensor filled(double value, std::int64_t numel = 3) {
    return Tensor::full(Shape(numel), value);
}

class NamedTest : public SessionTest {
  protected:
    SessionOptions named_options(const std::string& kind = "") {
        auto chosen = options("named_server");
        chosen.python = TR_TEST_PYTHON;
        chosen.environment["KIND"] = kind;
        return chosen;
    }
    void begin(const SessionOptions& chosen) {
        session_ = std::make_unique<PythonSession>(chosen);
        session_->start();
    }
    void begin() { begin(named_options()); }
    std::unique_ptr<PythonSession> session_;
};

class NamedTierTest : public TierTest {};
INSTANTIATE_TEST_SUITE_P(EachTier, NamedTierTest,
                         testing::Values(WakeUp::futex, WakeUp::inotify, WakeUp::watchdog, WakeUp::polling), tier_name);

TEST_P(NamedTierTest, TensorsHaveNamesBothWays) {
    begin(tier_options("named_server"));
    // Large ones as well, which are leased, and in the other order each time.
    for (const std::int64_t numel : {1, 3, 100'000}) {
        std::vector<Named> kept;
        for (int i = 0; i < 4; ++i) {
            const Tensor obs = filled(i, numel);
            const Tensor act = filled(10, numel);
            kept.push_back(i % 2 == 0 ? session_->calculate_named("step", {{"obs", obs}, {"act", act}})
                                      : session_->calculate_named("step", {{"act", act}, {"obs", obs}}));
        }
        for (int i = 0; i < 4; ++i) {
            const auto& results = kept[static_cast<std::size_t>(i)];
            ASSERT_EQ(results.size(), 2U);
            EXPECT_TRUE(results.at("total").equal(filled(i + 10, numel)));
            EXPECT_TRUE(results.at("difference").equal(filled(i - 10, numel)));
        }
    }
}

TEST_F(NamedTest, WithoutTheHostsLibraryToo) {
    auto chosen = named_options();
    chosen.environment["TR_LIBRARY"] = "";
    begin(chosen);
    const auto results = session_->calculate_named("step", {{"obs", filled(1)}, {"act", filled(2)}}, 10s);
    EXPECT_TRUE(results.at("total").equal(filled(3)));
    EXPECT_EQ(session_->stats().worker_mailbox, session_->stats().carrier == "mailbox" ? "python" : "");
}

TEST_F(NamedTest, AMapOfResultsGoesInAgain) {
    begin();
    const Named state{{"x", filled(1)}, {"layer.0-w", filled(2)}, {"_", filled(3)}};
    const Named back = session_->calculate_named("pass_on", session_->calculate_named("pass_on", state), 10'000);
    ASSERT_EQ(back.size(), 3U);
    for (const auto& [name, tensor] : state) EXPECT_TRUE(back.at(name).equal(tensor)) << name;
}

TEST_F(NamedTest, TheyComeInOrderAsWell) {
    begin();
    const auto results = session_->calculate_many("in_order rest", {{"z", filled(1)}, {"y", filled(2)}});
    ASSERT_EQ(results.size(), 2U);
    EXPECT_TRUE(results[0].equal(filled(1)) && results[1].equal(filled(2)));
    const std::vector<NamedTensor> some{{"obs", filled(5)}, {"", filled(6)}};
    EXPECT_EQ(session_->calculate_many("in_order", filled(4), some, filled(7)).size(), 4U);
    EXPECT_TRUE(session_->calculate("ask obs", filled(4), some, filled(7), 10s).equal(filled(5)));
}

TEST_F(NamedTest, MoreThanThereAreLetters) {
    begin();
    Named many;
    for (int i = 0; i < 300; ++i) many["w" + std::to_string(i)] = filled(i);
    const Named back = session_->calculate_named("pass_on", many);
    ASSERT_EQ(back.size(), many.size());
    for (const auto& [name, tensor] : many) EXPECT_TRUE(back.at(name).equal(tensor)) << name;
    const auto in_order = session_->calculate_many("in_order", std::vector<Tensor>(30, filled(1)));
    EXPECT_EQ(in_order.size(), 30U);
}

TEST_F(NamedTest, TheServerSeesThoseOfTheRequestAlone) {
    begin();
    session_->calculate_named("step", {{"obs", filled(1)}, {"act", filled(2)}});
    const std::string told = session_->fetch_response("tell x");
    EXPECT_EQ(told, "x:  (False, False, None, 0)");
    for (const auto& call :
         std::vector<std::function<void()>>{[&] { session_->calculate("ask act", {{"obs", filled(1)}}); },
                                            [&] { session_->calculate("ask act", filled(1)); }}) {
        const auto error = expect_throw<NotFoundError>(call);
        EXPECT_TRUE(contains(error.what(), "'ask' has no tensor named 'act'; it has ")) << error.what();
    }
}

TEST_F(NamedTest, AServerMayHaveAnAttributeOfThisName) {
    begin(named_options("own"));
    EXPECT_EQ(session_->calculate("any", {{"obs", filled(1)}}).item<float>(), 7);
}

TEST_F(NamedTest, ANameIsSpelledAsATag) {
    begin();
    for (const std::string name : {"my obs", "../obs", ".obs", "-obs", "obs\n", "\xc3\xb6"}) {
        const auto error = expect_throw<InputError>([&] { session_->calculate("ask x", {{name, filled(1)}}); });
        EXPECT_TRUE(contains(error.what(), "'" + name +
                                               "' cannot be the name of a tensor: expected 1 to 128 letters, digits, "
                                               "'_', '-' or '.'"))
            << error.what();
    }
    const auto twice = expect_throw<InputError>(
        [&] { session_->calculate("ask x", {{"obs", filled(1)}, {"act", filled(1)}, {"obs", filled(1)}}); });
    EXPECT_TRUE(contains(twice.what(), "two tensors of one call are named 'obs'"));
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { session_->calculate("misspell"); }).what(),
                         "'my loss' cannot be the name of a tensor"));
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { session_->calculate("twice"); }).what(),
                         "this answer has a tensor named 'loss' already"));
}

TEST_F(NamedTest, NoResultIsDropped) {
    begin();
    const auto several = expect_throw<InputError>([&] { session_->calculate("in_order", {filled(1), filled(2)}); });
    EXPECT_STREQ(
        several.what(),
        "'in_order' answered with 2 tensors, where calculate() gives one: use calculate_many() for all of them");
    const auto named =
        expect_throw<InputError>([&] { session_->calculate("step", {{"obs", filled(1)}, {"act", filled(2)}}); });
    EXPECT_TRUE(contains(named.what(), ", or calculate_named() for 'total', 'difference'")) << named.what();
    EXPECT_THROW(session_->calculate_async("step", {{"obs", filled(1)}, {"act", filled(2)}}).get(), InputError);
    EXPECT_TRUE(session_->fetch_tensor("mixed").equal(Tensor::full(Shape(), 1))) << "the first, as ever";
    EXPECT_EQ(session_->calculate_many("mixed").size(), 2U);
}

TEST_F(NamedTest, AResultWithoutANameHasNoneToBeHadBy) {
    begin();
    const auto some = expect_throw<InputError>([&] { session_->calculate_named("mixed"); });
    EXPECT_TRUE(contains(some.what(), "'mixed' answered with 2 tensors, and names of these only 'second'"))
        << some.what();
    const auto none = expect_throw<InputError>([&] { session_->calculate_named("in_order", filled(1), filled(2)); });
    EXPECT_TRUE(contains(none.what(), "and names none of them: calculate_many() gives them in order")) << none.what();
    EXPECT_THROW(session_->calculate_named("tell"), InputError);
}

TEST_F(NamedTest, NamesBelongToTheirPartsOfAnAnswer) {
    begin();
    const auto error = expect_throw<InputError>([&] { session_->calculate_named("parts"); });
    EXPECT_TRUE(contains(error.what(), "answered with 3 tensors, and names of these only 'first', 'third'"))
        << error.what();
    int sum = 0;
    for (const Tensor& part : session_->stream("parts")) sum = 10 * sum + static_cast<int>(part.item<float>());
    EXPECT_EQ(sum, 123);
}

TEST_F(NamedTest, CallsBesideEachOtherDoNotMix) {
    for (const std::string kind : {"", "threads", "async"}) {
        auto chosen = named_options(kind);
        chosen.max_ongoing_requests = 4;
        begin(chosen);
        std::vector<std::thread> threads;
        std::atomic<int> wrong{0};
        for (int number = 0; number < 4; ++number)
            threads.emplace_back([&, number] {
                for (int i = 0; i < 20; ++i) {
                    const auto results =
                        session_->calculate_named("step", {{"obs", filled(number)}, {"act", filled(100 * i)}});
                    if (!results.at("total").equal(filled(number + 100 * i))) ++wrong;
                }
            });
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(wrong, 0) << kind;
        std::vector<CallFuture> futures;
        for (int i = 0; i < 8; ++i)
            futures.push_back(session_->calculate_async("ask act", {{"obs", filled(-1)}, {"act", filled(i)}}, 10s));
        for (int i = 0; i < 8; ++i) EXPECT_TRUE(futures[static_cast<std::size_t>(i)].get().equal(filled(i))) << kind;
        session_.reset();
    }
}

TEST_F(NamedTest, ForAClientOfAnothersWorker) {
    auto chosen = named_options();
    chosen.session_id = "shared";
    begin(chosen);
    session_->wait_until_ready();
    SessionOptions of_client;
    of_client.workspace = workspace_.path();
    of_client.quiet = true;
    PythonSession client = PythonSession::connect("shared", of_client);
    EXPECT_TRUE(client.calculate("ask act", {{"obs", filled(1)}, {"act", filled(2)}}).equal(filled(2)));
}

TEST_F(NamedTest, AnOlderWorkerIsToldApart) {
    auto chosen = options("older_server");
    chosen.environment["OLDER_WORKSPACE"] = workspace_.path();
    begin(chosen);
    const auto error = expect_throw<InputError>([&] { session_->calculate("copy", {{"x", filled(1)}}); });
    EXPECT_TRUE(contains(error.what(),
                         "'copy' cannot be sent with names for its tensors: the worker's package is an "
                         "older one"))
        << error.what();
    EXPECT_TRUE(session_->calculate("copy", filled(1)).equal(filled(1)));
}

TEST_F(NamedTest, TheDefaultServerMakesKeywordsOfThem) {
    auto chosen = options("default");
    chosen.python = TR_TEST_PYTHON;
    begin(chosen);
    const Tensor x = Tensor::from_vector<float>({1, 2}, Shape(1, 2));
    const Tensor w = Tensor::from_vector<float>({3, 4}, Shape(1, 2));
    EXPECT_EQ(session_->calculate("numpy.dot", {{"b", w.reshape(Shape(2, 1))}, {"a", x}}).item<float>(), 11);
}

TEST_F(NamedTest, LimitsAreNumbersOrDurations) {
    begin();
    EXPECT_TRUE(session_->wait_until_ready(20s));
    EXPECT_THROW(session_->fetch_response("stall", 20ms), TimeoutError);
    EXPECT_THROW(session_->calculate("stall", {filled(1)}, 20ms), TimeoutError);
    EXPECT_THROW(session_->calculate_async("stall", {filled(1)}, 20ms).get(), TimeoutError);
    EXPECT_TRUE(session_->stream("parts", {}, 10s).next());
    auto later = std::async(std::launch::async, &PythonSession::fetch_response, session_.get(), "tell x", 10'000);
    EXPECT_EQ(later.get().substr(0, 2), "x:");
    WaitSet nothing;
    EXPECT_FALSE(nothing.wait(1ms));
    session_->restart(20s);
    session_->please_exit(10s);
    for (const auto& passed : std::vector<Limit>{-1ms, -5s, -0.25ms, std::chrono::hours::min()}) {
        EXPECT_LT(passed, -1);
        EXPECT_THROW(session_->wait_until_ready(passed), InputError);
    }
    EXPECT_EQ(Limit(1us), 1);
    EXPECT_EQ(Limit(1.5s), 1500);
    EXPECT_GT(Limit(std::chrono::hours::max()), 1'000'000'000);
}

TEST_F(NamedTest, ALimitThatMayHaveBeenAScalarIsNamed) {
    begin();
    session_->wait_until_ready();
    const auto error = expect_throw<TimeoutError>([&] { session_->calculate("stall", filled(1), 2); });
    EXPECT_TRUE(contains(error.what(),
                         "; the limit of 2 ms is the last argument of calculate(): one that is meant for "
                         "the command goes into its text, 'stall 2'"))
        << error.what();
    const auto duration = expect_throw<TimeoutError>([&] { session_->calculate("stall", filled(1), 2ms); });
    EXPECT_FALSE(contains(duration.what(), "last argument"));
}

}  // namespace
}  // namespace tr::test
