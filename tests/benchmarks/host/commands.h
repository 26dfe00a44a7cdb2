#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

/// This row does not have what was asked for; the text says why.
class Absent : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// What a host program was started with.
struct Arguments {
    std::string name;     ///< of the transport
    std::string python;   ///< the worker's interpreter
    std::string workers;  ///< folder of the workers' scripts
    std::vector<std::string> options;

    /// The value of the option `key=value`, empty when there is none.
    std::string option(const std::string& key) const;
};

/// Runs until there are `rounds` samples or the budget is spent, after a warm-up: two runs at least, as buffers may
/// alternate, but for rows that are too slow for that. `check` looks at what the last run of the warm-up brought.
/// @return {"ns": [...]}, nanoseconds of each run
nlohmann::json measure(const std::function<void()>& run, const std::function<void()>& check, std::size_t rounds,
                       std::int64_t budget_ms, std::int64_t warm_up_ms);

/// Reads a command from each line of standard input and prints what `obey` answers, until there are no more.
/// Absent becomes {"absent": reason}, any other exception {"error": reason}.
void obey_all(const std::function<nlohmann::json(const std::string& line)>& obey);

}  // namespace bench
