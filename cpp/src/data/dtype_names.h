#pragma once

#include "tech_renaissance/data/dtype.h"

namespace tr {

/// What PyTorch and NumPy call it: "float32"; "unknown" for a number that is none.
const char* python_name(DType dtype) noexcept;

}  // namespace tr
