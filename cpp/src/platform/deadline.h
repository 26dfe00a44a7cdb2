#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tr::platform {

/// One absolute point in time that a whole operation, however many waits it makes, has to keep to.
class Deadline {
  public:
    using Clock = std::chrono::steady_clock;

    /// @param milliseconds from now; 0 or less: never
    static Deadline after(std::int64_t milliseconds) {
        // Beyond a century the sum would overflow the clock; nobody can tell it from "never".
        constexpr std::int64_t kCentury = 100LL * 365 * 24 * 3600 * 1000;
        if (milliseconds <= 0 || milliseconds > kCentury) return never();
        return Deadline(Clock::now() + std::chrono::milliseconds(milliseconds));
    }
    static Deadline never() { return Deadline(Clock::time_point::max()); }
    static Deadline at(Clock::time_point when) { return Deadline(when); }

    bool is_never() const { return when_ == Clock::time_point::max(); }
    bool passed() const { return !is_never() && Clock::now() >= when_; }
    Clock::time_point when() const { return when_; }
    /// Milliseconds left, rounded up and at least 0, but at most `limit`.
    std::int64_t remaining_ms(std::int64_t limit, Clock::time_point now = Clock::now()) const {
        if (is_never()) return limit;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(when_ - now).count();
        return std::clamp<std::int64_t>(left, 0, limit);
    }
    Deadline sooner(Deadline other) const { return when_ < other.when_ ? *this : other; }

  private:
    explicit Deadline(Clock::time_point when) : when_(when) {}
    Clock::time_point when_;
};

}  // namespace tr::platform
