#pragma once

#include <cstddef>

#include "tech_renaissance/data/dtype.h"
#include "tech_renaissance/data/shape.h"

namespace tr {

/// Bytes of a tensor.
/// @throws InputError when they do not fit a pointer difference, which is the most that one object can have; a tensor
///         that is empty because of one dimension is held to the same with the others.
std::size_t byte_count(const Shape& shape, DType dtype);

}  // namespace tr
