#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "tech_renaissance/data/tensor_view.h"

namespace tr::python {

/// Tensors of Python code while a call uses them, borrowed and not copied: objects with `data` (a buffer),
/// `dtype.number` and `shape`, as _tensors.Exported. Whoever makes this keeps them alive.
///
/// Made and destroyed with the GIL held; the views are read without it.
class BorrowedTensors {
  public:
    explicit BorrowedTensors(const pybind11::sequence& tensors);
    ~BorrowedTensors();
    BorrowedTensors(const BorrowedTensors&) = delete;
    BorrowedTensors& operator=(const BorrowedTensors&) = delete;

    const std::vector<TensorView>& views() const { return views_; }

  private:
    void borrow(const pybind11::handle& exported);
    void release();

    std::vector<Py_buffer> buffers_;
    std::vector<TensorView> views_;
};

}  // namespace tr::python
