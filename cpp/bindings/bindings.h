#pragma once

#include <pybind11/pybind11.h>

namespace tr::python {

/// What each source file of the module adds to it.
void register_errors(pybind11::module_& module);
void register_tensors(pybind11::module_& module);
void register_stream(pybind11::module_& module);
void register_session(pybind11::module_& module);
void register_mailbox(pybind11::module_& module);

}  // namespace tr::python
