// Typed calls of a pool.
#include "support.h"

namespace tr::test {
namespace {

class PoolCallTest : public PoolTest {
  protected:
    PoolOptions typed(int workers = 2) {
        auto made = pool_options(workers);
        made.session.script = std::string(TR_REPO_DIR) + "/tests/cpp/service/servers/endpoint_server.py";
        return made;
    }
};

TEST_F(PoolCallTest, EndpointsAreCalledInOneOfTheWorkers) {
    Pool pool(typed());
    pool.start();
    const Tensor x = number(3);
    const Tensor doubled = pool.call("scale", x);
    EXPECT_EQ(first_of(doubled), 6);
    EXPECT_EQ(first_of(pool.call("scale", x, 4.0).tensor()), 12);
    EXPECT_EQ(first_of(pool.call("scale", {{"x", x}, {"factor", 5.0}}, std::chrono::seconds(5)).tensor()), 15);
    EXPECT_EQ(first_of(pool.call("scale", x, {{"factor", 6.0}}).tensor()), 18);
    EXPECT_EQ(pids(pool).count(pool.by_key("a").call("pid").value().as_int()), 1U);
    EXPECT_TRUE(contains(expect_throw<InputError>([&] { pool.call("scale", x, {{"facto", 6.0}}); }).what(), "factor"));
    expect_throw<NotFoundError>([&] { pool.call("scal", x); });
    ASSERT_EQ(pool.endpoints().size(), 4U);
    EXPECT_EQ(pool.endpoints().front().name, "scale");
    int expected = 0;
    for (const Tensor& part : pool.stream("count", {{"to", 3}})) EXPECT_EQ(first_of(part), expected++);
    EXPECT_EQ(expected, 3);
    EXPECT_EQ(pool.stats().in_flight, 0);
}

TEST_F(PoolCallTest, BesideTheCaller) {
    Pool pool(typed());
    pool.start();
    std::vector<ResultFuture> calls;
    for (int i = 0; i < 20; ++i) calls.push_back(pool.submit_call("scale", number(i), {{"factor", 3.0}}));
    for (int i = 0; i < 20; ++i) EXPECT_EQ(first_of(calls[static_cast<std::size_t>(i)].get().tensor()), 3 * i);
    auto wrong = pool.submit_call("scale", "text");
    expect_throw<InputError>([&] { wrong.get(); });
    expect_throw<RestartError>([&] { pool.call("die"); });
    EXPECT_EQ(first_of(pool.call("scale", number(1)).tensor()), 2);
}

}  // namespace
}  // namespace tr::test
