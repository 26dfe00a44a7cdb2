#pragma once

#include <cfenv>

namespace tr::platform {

/// While it lives, floating-point operations of this thread raise no exceptions that a program may have asked for
/// (feenableexcept), and afterwards none of their flags is set: what is rounded, or no number, in here is as it should
/// be.
class QuietFloats {
  public:
    QuietFloats() noexcept { std::feholdexcept(&before_); }
    ~QuietFloats() { std::fesetenv(&before_); }
    QuietFloats(const QuietFloats&) = delete;
    QuietFloats& operator=(const QuietFloats&) = delete;

  private:
    std::fenv_t before_;
};

}  // namespace tr::platform
