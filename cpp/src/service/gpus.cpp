#include "service/gpus.h"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <system_error>

#include "tech_renaissance/utils/tr_exception.h"

namespace tr::service {
namespace {

constexpr std::string_view kDevice = "nvidia";  ///< of its node, before its number

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts;
    std::istringstream words(text);
    for (std::string part; std::getline(words, part, ',');)
        if (!part.empty() && part != "-1") parts.push_back(part);
    return parts;
}

std::string in_words(double number) {
    std::ostringstream text;
    text << number;
    return text.str();
}

std::string joined(const std::vector<std::string>& all, std::size_t from, std::size_t count) {
    std::string text = all[from];
    for (std::size_t i = 1; i < count; ++i) text += "," + all[from + i];
    return text;
}

}  // namespace

std::vector<std::string> gpus_here() {
    if (const char* named = std::getenv(kGpus)) return split(named);
    std::vector<std::string> all;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator("/dev", none)) {
        const std::string name = entry.path().filename().string();
        if (name.rfind(kDevice, 0) == 0 && name.find_first_not_of("0123456789", kDevice.size()) == std::string::npos &&
            name.size() > kDevice.size())
            all.push_back(std::to_string(all.size()));
    }
    return all;
}

std::string gpus_of_worker(double each, int number, const std::vector<std::string>& all) {
    constexpr double kMost = 1'024;
    constexpr double kRounding = 1e-9;  // three times a third of one
    const bool shares = each < 1;
    if (!(each > 0 && each <= kMost) || (!shares && each != std::floor(each)))
        throw InputError("PoolOptions::resources.gpu is " + in_words(each) +
                         ": expected a whole number, or a part of one below 1");
    const auto workers = static_cast<std::size_t>(number) + 1;
    const auto together = shares ? static_cast<std::size_t>(1 / each + kRounding) : 1;
    const auto count = shares ? 1 : static_cast<std::size_t>(each);
    const auto first = (workers - 1) / together * count;
    if (first + count > all.size())
        throw InputError("PoolOptions::resources.gpu is " + in_words(each) + ", so " + std::to_string(workers) +
                         (workers == 1 ? " worker needs " : " workers need ") + std::to_string(first + count) +
                         " GPUs, and there are " + std::to_string(all.size()) +
                         (all.empty() ? std::string() : ", " + joined(all, 0, all.size())) + ", in " + kGpus +
                         " or as /dev/nvidia0 and so on: have fewer workers, or less for each; where GPUs are seen "
                         "otherwise, name them in that variable");
    return joined(all, first, count);
}

}  // namespace tr::service
