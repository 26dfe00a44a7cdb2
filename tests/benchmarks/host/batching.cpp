// Calls of a model from several callers at once, for batching.py: how many rows come back in a second.
//
// Usage: bench_batching SCRIPT PYTHON ENDPOINT WAY CALLERS ROWS FEATURES SECONDS
//   WAY: "threads", each with one call at a time; "futures", that many calls in flight of one thread.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "tech_renaissance.h"

namespace {

using Clock = std::chrono::steady_clock;

struct Plan {
    std::string endpoint;
    int callers;
    std::int64_t rows;
    std::int64_t features;
    double seconds;
};

class Counter {
  public:
    explicit Counter(double seconds)
        : begin_(Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(kWarm))),
          end_(begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))) {}
    /// @returns whether there is time for more
    bool add(std::int64_t rows) {
        const auto now = Clock::now();
        if (now >= begin_ && now < end_) rows_ += rows;
        return now < end_;
    }
    double per_second(double seconds) const { return static_cast<double>(rows_.load()) / seconds; }

  private:
    static constexpr double kWarm = 0.5;
    Clock::time_point begin_;
    Clock::time_point end_;
    std::atomic<std::int64_t> rows_{0};
};

double by_threads(tr::PythonSession& session, const Plan& plan) {
    Counter counter(plan.seconds);
    std::vector<std::thread> threads;
    for (int caller = 0; caller < plan.callers; ++caller)
        threads.emplace_back([&] {
            const auto x = tr::Tensor::ones({plan.rows, plan.features}, tr::DType::FP32);
            do session.call(plan.endpoint, x);
            while (counter.add(plan.rows));
        });
    for (auto& thread : threads) thread.join();
    return counter.per_second(plan.seconds);
}

double by_futures(tr::PythonSession& session, const Plan& plan) {
    Counter counter(plan.seconds);
    const auto x = tr::Tensor::ones({plan.rows, plan.features}, tr::DType::FP32);
    std::deque<tr::ResultFuture> flying;
    bool more = true;
    for (int caller = 0; caller < plan.callers; ++caller) flying.push_back(session.call_async(plan.endpoint, x));
    while (!flying.empty()) {
        flying.front().get();
        flying.pop_front();
        more = counter.add(plan.rows) && more;
        if (more) flying.push_back(session.call_async(plan.endpoint, x));
    }
    return counter.per_second(plan.seconds);
}

}  // namespace

int main(int count, char** arguments) {
    const std::vector<std::string> given(arguments + 1, arguments + count);
    if (given.size() != 8) return 2;
    const Plan plan{given[2], std::stoi(given[4]), std::stoll(given[5]), std::stoll(given[6]), std::stod(given[7])};
    tr::SessionOptions options;
    options.script = given[0];
    options.python = given[1];
    options.quiet = true;
    options.max_ongoing_requests = plan.callers;
    tr::PythonSession session(options);
    session.start();
    session.wait_until_ready();
    std::cout << (given[3] == "threads" ? by_threads(session, plan) : by_futures(session, plan)) << '\n';
    return 0;
}
