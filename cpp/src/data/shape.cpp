#include "tech_renaissance/data/shape.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <ostream>

#include "data/byte_count.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

Shape::Shape(const std::int64_t* dims, std::size_t rank) : rank_(rank) {
    if (rank > kMaxRank) {
        throw InputError("cannot make a shape of " + std::to_string(rank) + " dimensions, expected at most " +
                         std::to_string(kMaxRank));
    }
    std::copy(dims, dims + rank, dims_.begin());
    if (const auto* bad = std::find_if(begin(), end(), [](std::int64_t dim) { return dim < 0; }); bad != end()) {
        throw InputError("cannot make the shape " + to_string() + ": dimension " + std::to_string(bad - begin()) +
                         " is " + std::to_string(*bad) + ", expected 0 or more");
    }
}

std::int64_t Shape::dim(std::int64_t index) const {
    const auto rank = static_cast<std::int64_t>(rank_);
    if (index < -rank || index >= rank) {
        const std::string range =
            rank == 0 ? "none: it is that of a scalar" : std::to_string(-rank) + " to " + std::to_string(rank - 1);
        throw InputError("cannot take dimension " + std::to_string(index) + " of the shape " + to_string() +
                         ", expected " + range);
    }
    return dims_[static_cast<std::size_t>(index < 0 ? index + rank : index)];
}

std::int64_t Shape::numel() const {
    if (std::find(begin(), end(), 0) != end()) return 0;
    std::int64_t count = 1;
    for (const std::int64_t dim : *this) {
        if (count > std::numeric_limits<std::int64_t>::max() / dim) {
            throw InputError("cannot count the elements of the shape " + to_string() +
                             ", expected at most 9223372036854775807");
        }
        count *= dim;
    }
    return count;
}

std::string Shape::to_string() const {
    std::string text = "(";
    for (std::size_t i = 0; i < rank_; ++i) {
        if (i > 0) text += ", ";
        text += std::to_string(dims_[i]);
    }
    return text + (rank_ == 1 ? ",)" : ")");
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    return out << shape.to_string();
}

bool operator==(const Shape& left, const Shape& right) noexcept {
    return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

std::size_t byte_count(const Shape& shape, DType dtype) {
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max());
    // As if no dimension were 0: the strides of an empty tensor must fit as well, or PyTorch and NumPy have no such
    // one.
    std::uint64_t bytes = dtype_size(dtype);
    for (const std::int64_t dim : shape) {
        if (dim != 0 && bytes > kMost / static_cast<std::uint64_t>(dim)) {
            throw InputError("cannot hold a tensor of the shape " + shape.to_string() + " and dtype " +
                             to_string(dtype) + " in memory, expected dimensions whose product is at most " +
                             std::to_string(kMost) + " bytes");
        }
        bytes *= static_cast<std::uint64_t>(std::max<std::int64_t>(dim, 1));
    }
    return static_cast<std::size_t>(shape.numel()) * dtype_size(dtype);
}

}  // namespace tr
