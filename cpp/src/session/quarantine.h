#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "tech_renaissance/data/tensor_view.h"

namespace tr::session {

/// What makes a request the same as another, for the quarantine and for people: its text, and the dtypes and shapes of
/// the tensors that go with it.
std::string identity_of(const std::string& message, const std::vector<TensorView>& tensors);
/// The text of a request that has arguments beside it.
std::string with_arguments(const std::string& message, const std::string& arguments);

/// Requests that end workers, which are not sent any more; see RestartPolicy::quarantine_after. The sessions of a pool
/// have one together. Any thread.
class Quarantine {
  public:
    /// @param after so many deaths, at least 1
    explicit Quarantine(int after) : after_(static_cast<std::size_t>(after)) {}

    /// A request of this identity was at work when the worker with this process id died, which may be told again.
    /// @returns in how many deaths when it is refused from now on, else 0
    int count_death(const std::string& identity, std::int64_t pid);
    /// In how many deaths it was at work, when it is refused; else 0.
    int deaths_of_refused(const std::string& message, const std::vector<TensorView>& tensors) const;
    void clear();
    /// Those that are refused, by identity.
    std::vector<std::string> refused() const;
    /// A request of this identity was answered.
    void answered(const std::string& identity) {
        if (any_.load(std::memory_order_relaxed)) forget(identity);
    }

  private:
    void forget(const std::string& identity);

    const std::size_t after_;
    mutable std::mutex mutex_;
    std::map<std::string, std::set<std::int64_t>> deaths_;  ///< of requests, by identity, that were not answered since
    std::atomic<bool> any_{false};                          ///< there are such
};

}  // namespace tr::session
