#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "platform/deadline.h"
#include "tech_renaissance/data/tensor_view.h"
#include "tech_renaissance/worker/session_options.h"

namespace tr::session {

/// What makes a request the same as another, for the quarantine and for people: its text, and the dtypes and shapes of
/// the tensors that go with it.
std::string identity_of(const std::string& message, const std::vector<TensorView>& tensors);
/// The text of a request that has arguments beside it.
std::string with_arguments(const std::string& message, const std::string& arguments);

/// Decides what is done about a death: whether another worker is started, when, and which requests are not sent any
/// more. See RestartPolicy. Any thread.
class Supervisor {
  public:
    explicit Supervisor(const RestartPolicy& policy) : policy_(policy) {}

    const RestartPolicy& policy() const { return policy_; }
    /// Calls start workers.
    bool recovers() const { return policy_.attempts > 0; }
    bool is_idempotent(const std::string& command) const;

    // A worker that was ended on purpose is not replaced, unless somebody wants one again.
    void end_on_purpose();
    void want();
    bool ended_on_purpose() const;
    /// While one is alive, calls start no workers, as a restart() sees to one.
    class Restarting {
      public:
        explicit Restarting(Supervisor& supervisor);
        ~Restarting();
        Restarting(const Restarting&) = delete;
        Restarting& operator=(const Restarting&) = delete;

      private:
        Supervisor& supervisor_;
    };
    bool restart_under_way() const;
    /// Neither: a dead worker is one that nobody meant to die.
    bool may_start() const;

    // Back-off: how long after the last start the next one comes.
    struct Pause {
        std::int64_t left_ms = 0;  ///< 0: the start may come
        int starts_in_row = 0;
    };
    /// Waits before a start that follows others in vain; not for longer than the deadline allows, nor when a worker is
    /// not wanted any more.
    /// @throws what the interrupt check throws
    Pause back_off(platform::Deadline deadline);
    void starts();

    // Quarantine.
    /// A request of this identity was at work in a death.
    /// @param counted it is known of that death already
    /// @returns in how many deaths when it is refused from now on, else 0
    int count_death(const std::string& identity, bool counted);
    /// In how many deaths it was at work, when it is refused; else 0.
    int deaths_of_refused(const std::string& message, const std::vector<TensorView>& tensors) const;
    void clear_quarantine();
    std::vector<std::string> quarantined() const;
    /// A request of this identity was answered, so the worker works.
    void answered(const std::string& identity) {
        if (troubled_.load(std::memory_order_relaxed)) note_answer(identity);
    }

  private:
    void note_answer(const std::string& identity);

    const RestartPolicy policy_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool on_purpose_ = false;
    int restarts_ = 0;                   ///< calls of restart() under way
    std::map<std::string, int> deaths_;  ///< of requests, by identity, that ended workers and were not answered since
    int starts_in_row_ = 0;              ///< by the policy, without an answer in between
    platform::Deadline::Clock::time_point last_start_;
    std::atomic<bool> troubled_{false};  ///< there is something in deaths_ or starts_in_row_
};

}  // namespace tr::session
