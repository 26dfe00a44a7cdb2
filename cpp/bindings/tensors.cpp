#include "tensors.h"

#include <pybind11/stl.h>

#include <cstdint>

#include "bindings.h"
#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace py = pybind11;

namespace tr::python {

BorrowedTensors::BorrowedTensors(const py::sequence& tensors) {
    buffers_.reserve(tensors.size());
    views_.reserve(tensors.size());
    try {
        for (const py::handle exported : tensors) borrow(exported);
    } catch (...) {
        release();
        throw;
    }
}

BorrowedTensors::~BorrowedTensors() {
    release();
}

void BorrowedTensors::borrow(const py::handle& exported) {
    const auto dtype = static_cast<DType>(exported.attr("dtype").attr("number").cast<std::int32_t>());
    const Shape shape(exported.attr("shape").cast<std::vector<std::int64_t>>());
    const py::object data = exported.attr("data");
    Py_buffer taken{};
    if (PyObject_GetBuffer(data.ptr(), &taken, PyBUF_SIMPLE) != 0) throw py::error_already_set();
    buffers_.push_back(taken);
    TensorView view(taken.buf, shape, dtype);
    if (view.nbytes() != static_cast<std::size_t>(taken.len)) {
        throw InputError("A tensor of shape " + shape.to_string() + " and dtype " + to_string(dtype) + " takes " +
                         std::to_string(view.nbytes()) + " bytes, but its buffer holds " + std::to_string(taken.len));
    }
    views_.push_back(view);
}

void BorrowedTensors::release() {
    for (Py_buffer& buffer : buffers_) PyBuffer_Release(&buffer);
    buffers_.clear();
}

void register_tensors(py::module_& module) {
    // Local to this module, as a module of the user may bind the class as well.
    py::class_<Tensor>(module, "Tensor", py::module_local(), py::buffer_protocol(),
                       "A result: its bytes through the buffer protocol, and how to read them.")
        .def_property_readonly("dtype", [](const Tensor& tensor) { return static_cast<std::int32_t>(tensor.dtype()); })
        .def_property_readonly("shape", [](const Tensor& tensor) { return py::tuple(py::cast(tensor.shape().dims())); })
        .def_buffer([](Tensor& tensor) {
            return py::buffer_info(static_cast<std::uint8_t*>(tensor.raw_data()),
                                   static_cast<py::ssize_t>(tensor.nbytes()));
        });
}

}  // namespace tr::python
