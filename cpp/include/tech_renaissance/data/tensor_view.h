#pragma once

#include <cstddef>
#include <cstdint>

#include "tech_renaissance/data/dtype.h"
#include "tech_renaissance/data/shape.h"
#include "tech_renaissance/export.h"

namespace tr {

class Tensor;

/// Elements in memory that is not ours: contiguous, outermost dimension first, read only.
///
/// A view owns nothing. Whoever makes one keeps the memory alive and unchanged for as long as the view is used; the
/// functions of this library that take a view are done with it when they return. Any thread may read a view.
class TR_API TensorView {
  public:
    /// @throws InputError when the tensor is undefined.
    TensorView(const Tensor& tensor);  // NOLINT(google-explicit-constructor): a tensor is usable where a view is
    template <class T>
    TensorView(const T* data, const Shape& shape) : TensorView(data, shape, detail::element_dtype<T>()) {}
    /// @throws InputError when the byte count overflows, or `data` is null and the shape has elements.
    TensorView(const void* data, const Shape& shape, DType dtype);

    const void* data() const noexcept { return data_; }
    const Shape& shape() const noexcept { return shape_; }
    DType dtype() const noexcept { return dtype_; }
    std::int64_t numel() const noexcept { return numel_; }
    std::size_t nbytes() const noexcept { return nbytes_; }

  private:
    const void* data_;
    Shape shape_;
    DType dtype_;
    std::int64_t numel_;
    std::size_t nbytes_;
};

}  // namespace tr
