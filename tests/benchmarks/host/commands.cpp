// What every host program does: obeys a command on each line of standard input, and times calls.
#include "commands.h"

#include <chrono>
#include <iostream>
#include <utility>

namespace bench {

using Clock = std::chrono::steady_clock;

std::string Arguments::option(const std::string& key) const {
    for (const auto& text : options)
        if (text.rfind(key + "=", 0) == 0) return text.substr(key.size() + 1);
    return {};
}

nlohmann::json measure(const std::function<void()>& run, const std::function<void()>& check, std::size_t rounds,
                       std::int64_t budget_ms, std::int64_t warm_up_ms) {
    constexpr std::chrono::milliseconds kLongWarmUp(1000);
    const auto budget = std::chrono::milliseconds(budget_ms);
    const std::chrono::milliseconds warm_up(warm_up_ms);
    auto start = Clock::now();
    run();
    for (int i = 1; Clock::now() - start < (i < 2 ? kLongWarmUp : warm_up); ++i) run();
    check();

    std::vector<std::int64_t> samples;
    samples.reserve(rounds);
    start = Clock::now();
    auto before = start;
    while (samples.size() < rounds && (samples.empty() || before - start < budget)) {
        before = Clock::now();
        run();
        samples.push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - before).count());
    }
    return {{"ns", std::move(samples)}};
}

void obey_all(const std::function<nlohmann::json(const std::string& line)>& obey) {
    std::string line;
    while (std::getline(std::cin, line)) {
        nlohmann::json answer;
        try {
            answer = obey(line);
        } catch (const Absent& reason) {
            answer = {{"absent", reason.what()}};
        } catch (const std::exception& error) {
            answer = {{"error", error.what()}};
        }
        std::cout << answer.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
    }
}

}  // namespace bench
