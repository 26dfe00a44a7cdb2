#include "session/quarantine.h"

#include <functional>

#include "tech_renaissance/data/dtype.h"

namespace tr::session {

std::string with_arguments(const std::string& message, const std::string& arguments) {
    return arguments.empty() ? message : message + " " + arguments;
}

std::string identity_of(const std::string& message, const std::vector<TensorView>& tensors) {
    constexpr std::size_t kMostShown = 200;
    std::string identity = message.substr(0, kMostShown);
    if (message.size() > kMostShown)
        identity += "... (" + std::to_string(message.size()) + " bytes, hash " +
                    std::to_string(std::hash<std::string>{}(message)) + ")";
    for (const auto& tensor : tensors) identity += ", " + to_string(tensor.dtype()) + " " + tensor.shape().to_string();
    return identity;
}

int Quarantine::count_death(const std::string& identity, std::int64_t pid) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto& deaths = deaths_[identity];
    deaths.insert(pid);
    any_ = true;
    return deaths.size() >= after_ ? static_cast<int>(deaths.size()) : 0;
}

int Quarantine::deaths_of_refused(const std::string& message, const std::vector<TensorView>& tensors) const {
    if (!any_) return 0;
    const std::string identity = identity_of(message, tensors);
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = deaths_.find(identity);
    return found == deaths_.end() || found->second.size() < after_ ? 0 : static_cast<int>(found->second.size());
}

void Quarantine::clear() {
    const std::lock_guard<std::mutex> lock(mutex_);
    deaths_.clear();
    any_ = false;
}

std::vector<std::string> Quarantine::refused() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> refused;
    for (const auto& [identity, deaths] : deaths_)
        if (deaths.size() >= after_) refused.push_back(identity);
    return refused;
}

void Quarantine::forget(const std::string& identity) {
    const std::lock_guard<std::mutex> lock(mutex_);
    deaths_.erase(identity);
    any_ = !deaths_.empty();
}

}  // namespace tr::session
