#pragma once

#include <atomic>
#include <string>

#include "worker/session_directory.h"

namespace tr {

/// The id of a session. One that was given stays as it is. Where none was, it is `default`, and from the moment that
/// the session's directory is made and another session has that, a unique one. Any thread.
class SessionName {
  public:
    explicit SessionName(const std::string& given)
        : first_(given.empty() ? "default" : given), unique_(given.empty() ? unique_session_id() : "") {}

    /// What it is now. The text stays where it is for as long as this object.
    const std::string& text() const { return is_first_.load(std::memory_order_acquire) ? first_ : unique_; }
    /// @returns whether it could be, as nobody has given it
    bool make_unique() { return !unique_.empty() && is_first_.exchange(false, std::memory_order_acq_rel); }

  private:
    const std::string first_;
    const std::string unique_;
    std::atomic<bool> is_first_{true};
};

}  // namespace tr
