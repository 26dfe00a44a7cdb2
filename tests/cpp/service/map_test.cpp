// One command on many inputs.
#include "support.h"

namespace tr::test {
namespace {

class PoolMapTest : public PoolTest {
  protected:
    static std::vector<Tensor> numbers(int count) {
        std::vector<Tensor> all;
        for (int i = 0; i < count; ++i) all.push_back(number(i));
        return all;
    }
};

TEST_F(PoolMapTest, ResultsComeInTheOrderOfTheInputs) {
    Pool pool(pool_options(3));
    pool.start();
    double expected = 0;
    for (const Tensor& y : pool.map("double", numbers(200))) EXPECT_EQ(first_of(y), 2 * expected++);
    EXPECT_EQ(expected, 200);
    EXPECT_EQ(pool.map("double", numbers(5)).collect().size(), 5U);
    EXPECT_EQ(pool.map("double", numbers(5)).size(), 5U);
    EXPECT_TRUE(pool.map("double", numbers(0)).collect().empty());
}

TEST_F(PoolMapTest, InputsAreReadAsTheyAreNeeded) {
    Pool pool(pool_options(2));
    pool.start();
    int read = 0;
    auto endless = [&]() -> std::optional<std::vector<Tensor>> { return std::vector<Tensor>{number(read++)}; };
    PoolMap map = pool.map("double", endless);
    EXPECT_EQ(read, 0);
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(first_of(*map.next()), 2 * i);
        EXPECT_LE(read, i + 1 + 4);  // two at work, and one more for each
    }
    map.cancel();
    EXPECT_FALSE(map.next());
    EXPECT_TRUE(eventually([&] { return pool.stats().in_flight == 0 && pool.stats().queued == 0; }));
}

TEST_F(PoolMapTest, TheLookAheadCanBeGiven) {
    Pool pool(pool_options(2));
    pool.start();
    int read = 0;
    MapOptions one;
    one.look_ahead = 1;
    PoolMap map = pool.map(
        "double", [&]() -> std::optional<std::vector<Tensor>> { return std::vector<Tensor>{number(read++)}; }, one);
    EXPECT_EQ(first_of(*map.next()), 0);
    EXPECT_EQ(read, 2);
}

TEST_F(PoolMapTest, AnErrorIsThrownInItsPlace) {
    Pool pool(pool_options(3));
    pool.start();
    std::vector<Tensor> inputs{number(0), number(2), number(3), number(4), number(5)};
    PoolMap map = pool.map("refuse_odd", inputs);
    EXPECT_EQ(first_of(*map.next()), 0);
    EXPECT_EQ(first_of(*map.next()), 2);
    EXPECT_TRUE(contains(expect_throw<RemoteError>([&] { map.next(); }).what(), "it is odd"));
    EXPECT_FALSE(map.next());
}

TEST_F(PoolMapTest, AnErrorOfTheInputsComesAfterTheResults) {
    Pool pool(pool_options(2));
    pool.start();
    int read = 0;
    PoolMap map = pool.map("double", [&]() -> std::optional<std::vector<Tensor>> {
        if (read == 3) throw std::runtime_error("no more film");
        return std::vector<Tensor>{number(read++)};
    });
    for (int i = 0; i < 3; ++i) EXPECT_EQ(first_of(*map.next()), 2 * i);
    EXPECT_THROW(map.next(), std::runtime_error);
    EXPECT_FALSE(map.next());
}

TEST_F(PoolMapTest, ProgressIsTold) {
    Pool pool(pool_options(2));
    pool.start();
    std::vector<std::string> told;
    MapOptions options;
    options.progress = [&](std::size_t done, std::size_t of) {
        told.push_back(std::to_string(done) + "/" + std::to_string(of));
    };
    pool.map("double", numbers(3), options).collect();
    EXPECT_EQ(told, (std::vector<std::string>{"1/3", "2/3", "3/3"}));
}

TEST_F(PoolMapTest, AFullQueueDelaysAMap) {
    auto options = pool_options(1);
    options.max_queue_size = 1;
    options.when_full = PoolOptions::WhenFull::refuse;
    Pool pool(options);
    pool.start();
    MapOptions ahead;
    ahead.look_ahead = 10;
    double expected = 0;
    for (const Tensor& y : pool.map("double", numbers(20), ahead)) EXPECT_EQ(first_of(y), 2 * expected++);
    EXPECT_EQ(expected, 20);
    EXPECT_EQ(pool.stats().refused, 0U);
}

TEST_F(PoolMapTest, SeveralMapsAtATime) {
    Pool pool(pool_options(2));
    pool.start();
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int t = 0; t < 3; ++t)
        threads.emplace_back([&, t] {
            int i = 0;
            std::vector<Tensor> inputs;
            for (int k = 0; k < 40; ++k) inputs.push_back(number(1'000 * t + k));
            for (const Tensor& y : pool.map("double", inputs))
                if (first_of(y) == 2 * (1'000 * t + i++)) ++good;
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(good, 120);
}

}  // namespace
}  // namespace tr::test
