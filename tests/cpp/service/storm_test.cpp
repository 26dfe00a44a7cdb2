// Everything at once: calls of all kinds from several threads, kills, resizes, reloads, cancels.
#include <atomic>
#include <random>

#include "support.h"

namespace tr::test {
namespace {

class PoolStormTest : public PoolTest {};

/// What becomes of calls that carry a number of their own.
struct Counts {
    std::atomic<int> good{0};
    std::atomic<int> wrong{0};
    std::atomic<int> died{0};
    std::atomic<int> cancelled{0};
    std::atomic<int> late{0};
    std::atomic<int> refused{0};
    std::atomic<int> strange{0};
    int all() const { return good + wrong + died + cancelled + late + refused + strange; }
};

void count_answer(Counts& counts, bool right) {
    ++(right ? counts.good : counts.wrong);
}

void one_call(const Pool& pool, std::mt19937& random, int number, Counts& counts) {
    const auto value = static_cast<float>(number);
    const Tensor x = Tensor::full(Shape(2'000), number);
    const auto right = [value](const Tensor& y) { return y.data<float>()[1'999] == 2 * value; };
    const PoolCalls calls = pool.with_priority(static_cast<int>(random() % 3));
    switch (random() % 7) {
        case 0:
            return count_answer(counts, right(calls.calculate("double", x)));
        case 1:
            return count_answer(counts, right(calls.by_key(std::to_string(number % 5)).calculate("double", x)));
        case 2:
            return count_answer(counts,
                                calls.fetch_response("echo " + std::to_string(number)) == std::to_string(number));
        case 3:
            return count_answer(counts, right(calls.calculate("double", x, 3)));
        case 4: {
            auto future = calls.submit("double", {x});
            if (random() % 2 == 0) future.cancel();
            return count_answer(counts, right(future.get()));
        }
        case 5: {
            int expected = 0;
            for (const Tensor& part : calls.stream("count 3"))
                if (part.data<double>()[0] != expected++) return count_answer(counts, false);
            return count_answer(counts, expected == 3);
        }
        default: {
            int expected = number;
            std::vector<Tensor> inputs;
            for (int i = 0; i < 5; ++i) inputs.push_back(Tensor::full(Shape(2), number + i));
            for (const Tensor& y : calls.map("double", inputs))
                if (y.data<float>()[1] != 2 * static_cast<float>(expected++)) return count_answer(counts, false);
            return count_answer(counts, expected == number + 5);
        }
    }
}

void many_calls(const Pool& pool, int thread, int count, Counts& counts) {
    std::mt19937 random(static_cast<unsigned>(thread));
    for (int k = 0; k < count; ++k) {
        try {
            one_call(pool, random, thread * count + k, counts);
        } catch (const OverloadedError&) {
            ++counts.refused;
        } catch (const TimeoutError&) {
            ++counts.late;
        } catch (const RetryError& error) {
            ++(error.code() == ErrorCode::cancelled ? counts.cancelled : counts.strange);
        } catch (const RestartError&) {
            ++counts.died;
        } catch (const std::exception& error) {
            ADD_FAILURE() << error.what();
            ++counts.strange;
        }
    }
}

TEST_F(PoolStormTest, EveryCallIsAnsweredRightOrFailsWithAReason) {
    constexpr int kThreads = 6;
    constexpr int kCalls = 120;
    for (const auto when_full : {PoolOptions::WhenFull::wait, PoolOptions::WhenFull::refuse}) {
        auto options = pool_options(2);
        options.session.max_ongoing_requests = 2;
        options.session.environment["THREADS"] = "2";
        options.max_queue_size = 3;
        options.when_full = when_full;
        Pool pool(options);
        pool.start();
        Counts counts;
        std::vector<std::thread> threads;
        for (int i = 0; i < kThreads; ++i) threads.emplace_back([&, i] { many_calls(pool, i, kCalls, counts); });
        std::mt19937 random(7);
        int round = 0;
        while (counts.all() < kThreads * kCalls) {
            const auto workers = pool.stats().workers;
            const auto pid = workers.at(random() % workers.size()).pid;
            if (round % 4 == 0) pool.resize(1 + static_cast<int>(random() % 3));
            if (round % 4 == 1 && pid > 0) kill_worker(pid);
            if (round % 4 == 2) pool.reload();
            ++round;
        }
        for (auto& thread : threads) thread.join();
        EXPECT_EQ(counts.wrong, 0);
        EXPECT_EQ(counts.strange, 0);
        EXPECT_GT(counts.good, 0);
        EXPECT_TRUE(eventually([&] { return all_serve(pool); }));
        pool.drain();
        const auto stats = pool.stats();
        EXPECT_EQ(stats.in_flight + stats.queued + stats.waiting_for_place, 0);
        RecordProperty("good", counts.good);
        RecordProperty("died", counts.died);
    }
}

}  // namespace
}  // namespace tr::test
