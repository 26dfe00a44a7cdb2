#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "channel/mailbox.h"
#include "platform/deadline.h"
#include "platform/futex.h"

namespace tr::session {

class Core;

/// Has one thread sleep until the mailbox of one of several sessions rings, or another thread of this program.
class Bells {
  public:
    /// What the bells said when they were looked at.
    struct Seen {
        std::uint32_t own;
        platform::FutexWords words;
        std::vector<std::shared_ptr<channel::Mailbox>> mailboxes;  ///< kept mapped while their words are slept on
        bool all_ring = true;                                      ///< else there is a channel without a mailbox
    };

    /// To be called before looking for news, so that news which comes after the look ends the sleep.
    Seen look(const std::vector<const Core*>& sessions) const;
    /// Until one has rung since then, a signal, or the deadline; for a moment where not all of them can ring.
    void sleep(const Seen& seen, platform::Deadline deadline);
    /// Any thread.
    void ring();

  private:
    // What happens in this process rings both.
    std::atomic<std::uint32_t> bell_{0};
    std::mutex mutex_;
    std::condition_variable changed_;
};

}  // namespace tr::session
