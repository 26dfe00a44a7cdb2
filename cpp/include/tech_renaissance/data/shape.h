#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "tech_renaissance/export.h"

namespace tr {

/// The sizes of a tensor's dimensions, outermost first; a value without heap memory.
///
///     Shape(4, 3)   Shape({4, 3})   Shape()   // the last is that of a scalar: rank 0, one element
///
/// A dimension may be 0: the tensor is then empty.
class TR_API Shape {
  public:
    static constexpr std::size_t kMaxRank = 16;

    Shape() noexcept = default;
    /// @throws InputError (each constructor) for a negative dimension or more than kMaxRank of them.
    Shape(std::initializer_list<std::int64_t> dims) : Shape(dims.begin(), dims.size()) {}
    explicit Shape(const std::vector<std::int64_t>& dims) : Shape(dims.data(), dims.size()) {}
    Shape(const std::int64_t* dims, std::size_t rank);
    template <class... Dims, std::enable_if_t<(sizeof...(Dims) > 0) && (std::is_integral_v<Dims> && ...), int> = 0>
    explicit Shape(Dims... dims) : Shape({to_dim(dims)...}) {}

    std::size_t rank() const noexcept { return rank_; }
    /// Size of one dimension; a negative index counts from the last.
    /// @throws InputError when there is no such dimension.
    std::int64_t dim(std::int64_t index) const;
    std::int64_t operator[](std::int64_t index) const { return dim(index); }
    std::vector<std::int64_t> dims() const { return {begin(), end()}; }
    const std::int64_t* begin() const noexcept { return dims_.data(); }
    const std::int64_t* end() const noexcept { return dims_.data() + rank_; }

    /// Number of elements: 1 for rank 0, 0 when any dimension is 0.
    /// @throws InputError when it does not fit an int64.
    std::int64_t numel() const;

    /// "(4, 3)", "(5,)", "()".
    std::string to_string() const;

    // By the names that programs for the older bridge use.
    int ndim() const noexcept { return static_cast<int>(rank_); }
    bool is_scalar() const noexcept { return rank_ == 0; }
    /// The last four dimensions as those of a batch of images; 1 where there are fewer.
    std::int64_t n() const noexcept { return from_last(4); }
    std::int64_t c() const noexcept { return from_last(3); }
    std::int64_t h() const noexcept { return from_last(2); }
    std::int64_t w() const noexcept { return from_last(1); }
    std::int64_t batch() const noexcept { return n(); }
    std::int64_t channel() const noexcept { return c(); }
    std::int64_t height() const noexcept { return h(); }
    std::int64_t width() const noexcept { return w(); }

    friend TR_API bool operator==(const Shape& left, const Shape& right) noexcept;
    friend bool operator!=(const Shape& left, const Shape& right) noexcept { return !(left == right); }

  private:
    std::int64_t from_last(std::size_t place) const noexcept { return rank_ < place ? 1 : dims_[rank_ - place]; }
    template <class Int>
    static std::int64_t to_dim(Int dim) {
        // A count beyond int64 turns into a negative one, which the constructor refuses.
        if constexpr (std::is_unsigned_v<Int> && sizeof(Int) >= sizeof(std::int64_t)) {
            if (dim > static_cast<Int>(std::numeric_limits<std::int64_t>::max())) return -1;
        }
        return static_cast<std::int64_t>(dim);
    }

    std::array<std::int64_t, kMaxRank> dims_{};
    std::size_t rank_ = 0;
};

/// As Shape::to_string().
TR_API std::ostream& operator<<(std::ostream& out, const Shape& shape);

}  // namespace tr
