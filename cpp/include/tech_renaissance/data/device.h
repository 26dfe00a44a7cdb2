#pragma once

#include <array>
#include <cstddef>
#include <iosfwd>
#include <string>

#include "tech_renaissance/export.h"

namespace tr {

/// Where a tensor's memory is. The tensors of this library are in main memory; what a worker computes on a GPU
/// arrives here on the CPU. Other devices can be named, and every function that is asked for one refuses.
class TR_API Device {
  public:
    /// The CPU.
    constexpr Device() noexcept = default;
    /// @param name "cpu", "cuda", ..., in any case; at most 15 letters
    /// @throws InputError for a name that is empty or longer
    explicit Device(const std::string& name, int index = 0);

    std::string name() const { return name_.data(); }
    /// Of several devices of that name; 0 for the CPU.
    constexpr int index() const noexcept { return index_; }
    constexpr bool is_cpu() const noexcept { return *this == Device(); }
    /// "cpu", "cuda:1".
    std::string str() const;

    friend constexpr bool operator==(const Device& left, const Device& right) noexcept {
        for (std::size_t i = 0; i < kMostLetters; ++i)
            if (left.name_[i] != right.name_[i]) return false;
        return left.index_ == right.index_;
    }
    friend constexpr bool operator!=(const Device& left, const Device& right) noexcept { return !(left == right); }

  private:
    static constexpr std::size_t kMostLetters = 16;

    std::array<char, kMostLetters> name_{'c', 'p', 'u'};
    int index_ = 0;
};

inline constexpr Device CPU{};

/// As Device::str().
TR_API std::string to_string(const Device& device);
TR_API std::ostream& operator<<(std::ostream& out, const Device& device);

}  // namespace tr
