#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "platform/deadline.h"
#include "session/quarantine.h"
#include "tech_renaissance/worker/session_options.h"

namespace tr::session {

/// Decides what is done about a death: whether another worker is started, when, and which requests are not sent any
/// more. See RestartPolicy. Any thread.
class Supervisor {
  public:
    explicit Supervisor(const RestartPolicy& policy);

    /// Another one sees to other workers, before there is the first.
    /// @param remedy what it does about a death, in words; may be empty
    /// @param quarantine which it has for several sessions; nullptr: none
    void hand_over(std::string remedy, std::shared_ptr<Quarantine> quarantine) {
        remedy_ = std::move(remedy);
        quarantine_ = std::move(quarantine);
    }
    /// Nothing: none does.
    const std::optional<std::string>& remedy() const { return remedy_; }
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

    /// nullptr: there is none.
    Quarantine* quarantine() const { return quarantine_.get(); }
    /// A request of this identity was answered, so the worker works.
    void answered(const std::string& identity) {
        if (quarantine_) quarantine_->answered(identity);
        if (troubled_.load(std::memory_order_relaxed)) note_answer();
    }

  private:
    void note_answer();

    const RestartPolicy policy_;
    std::optional<std::string> remedy_{};
    std::shared_ptr<Quarantine> quarantine_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool on_purpose_ = false;
    int restarts_ = 0;       ///< calls of restart() under way
    int starts_in_row_ = 0;  ///< by the policy, without an answer in between
    platform::Deadline::Clock::time_point last_start_;
    std::atomic<bool> troubled_{false};  ///< starts_in_row_ is not 0
};

}  // namespace tr::session
