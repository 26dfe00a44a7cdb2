#pragma once

#include "python/values.h"

/// Tensors of the interpreter and memory that holds what a `.tsr` file does.
namespace tr::python {

/// read_tensor(exchange, address, size, owner) -> a tensor of the type whose `__dlpack_c_exchange_api__` is given; None
/// where this cannot tell what lies there, and nothing was done. It is a copy when `owner` is None, else it lies over
/// that memory and keeps the owner alive.
PyObject* read_tensor(PyObject*, Arguments arguments, Py_ssize_t count);

/// write_tensor(exchange, tensor, address, size) -> whether the tensor was written there. False where it would take
/// another number of bytes, or is one that this cannot describe; nothing was done then. `exchange` is None for objects
/// of the buffer protocol.
PyObject* write_tensor(PyObject*, Arguments arguments, Py_ssize_t count);

/// describe_tensor(exchange, tensor) -> its header in a `.tsr` file, the address of its elements, and how many bytes
/// they take; None for one that this cannot describe.
PyObject* describe_tensor(PyObject*, Arguments arguments, Py_ssize_t count);

}  // namespace tr::python
