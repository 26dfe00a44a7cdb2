#pragma once

#include <functional>
#include <mutex>

#include "tech_renaissance/session/python_session.h"
#include "tech_renaissance/session/session_event.h"
#include "worker/session_name.h"

namespace tr::session {

/// Hears of everything that happens in a session: counts it for stats(), and tells the observer of the user. Any
/// thread.
class Recorder {
  public:
    Recorder(std::function<void(const SessionEvent&)> observer, const SessionName& name)
        : observer_(std::move(observer)), name_(name) {}

    void operator()(SessionEvent event);
    /// Bytes of a tensor that was sent by hand.
    void sent_by_hand(std::uint64_t bytes);
    /// Puts the counts into a snapshot.
    void fill(SessionStats& stats) const;

  private:
    const std::function<void(const SessionEvent&)> observer_;
    const SessionName& name_;
    mutable std::mutex mutex_;
    std::uint64_t requests_ = 0;
    std::uint64_t responses_ = 0;
    std::uint64_t failures_ = 0;
    std::uint64_t bytes_sent_ = 0;
    std::uint64_t bytes_received_ = 0;
    double last_round_trip_us_ = 0;
};

}  // namespace tr::session
