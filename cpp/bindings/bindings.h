#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <string>

namespace tr::python {

/// Text that may hold a path, whose bytes need not be UTF-8: as Python has it (os.fsdecode).
inline pybind11::str text(const std::string& bytes) {
    auto* decoded = PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "surrogateescape");
    if (decoded == nullptr) throw pybind11::error_already_set();
    return pybind11::reinterpret_steal<pybind11::str>(decoded);
}

/// An object that C++ keeps, and lets go of on any thread.
inline std::shared_ptr<pybind11::object> with_gil(const pybind11::object& object) {
    return {new pybind11::object(object), [](pybind11::object* kept) {
                const pybind11::gil_scoped_acquire gil;
                delete kept;
            }};
}

/// What each source file of the module adds to it.
void register_errors(pybind11::module_& module);
void register_tensors(pybind11::module_& module);
void register_stream(pybind11::module_& module);
void register_session(pybind11::module_& module);
void register_calls(pybind11::module_& module);
void register_endpoints(pybind11::module_& module);
void register_pool(pybind11::module_& module);
void register_loans(pybind11::module_& module);
void register_signals(pybind11::module_& module);

}  // namespace tr::python
