#pragma once

#include <chrono>
#include <cstdint>
#include <type_traits>

namespace tr {

/// How long a call may take: a whole number of milliseconds, or any std::chrono::duration, which is rounded up to such.
/// 0 waits for ever; one made of nothing is the session's default, where there is one.
///
///     session.fetch_response("step", 500);
///     session.fetch_response("step", std::chrono::seconds(2));
class Limit {
  public:
    constexpr Limit() noexcept = default;
    template <class T, std::enable_if_t<std::is_convertible_v<const T&, std::int64_t>, int> = 0>
    constexpr Limit(T milliseconds)  // NOLINT(google-explicit-constructor): a number is usable where a limit is
        : ms_(static_cast<std::int64_t>(milliseconds)) {
        static_assert(!std::is_floating_point_v<T> && !std::is_same_v<T, bool>,
                      "a limit is a whole number of milliseconds, or a std::chrono::duration");
    }
    template <class Rep, class Period>
    constexpr Limit(std::chrono::duration<Rep, Period> duration) noexcept  // NOLINT(google-explicit-constructor)
        : ms_(rounded_up(duration)) {}

    /// In milliseconds; -1 for the session's default.
    constexpr operator std::int64_t() const noexcept { return ms_; }  // NOLINT(google-explicit-constructor)

  private:
    template <class Rep, class Period>
    static constexpr std::int64_t rounded_up(std::chrono::duration<Rep, Period> duration) noexcept {
        using std::chrono::milliseconds;
        constexpr std::chrono::hours kCentury(24 * 365 * 100);  // and any longer one, which might overflow
        if (duration >= kCentury) return milliseconds(kCentury).count();
        // What is left of a time that has passed is neither "for ever" nor "the default".
        if (duration < duration.zero()) return -2;
        return std::chrono::ceil<milliseconds>(duration).count();
    }

    std::int64_t ms_ = -1;
};

}  // namespace tr
