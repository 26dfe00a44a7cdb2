#include "signals.h"

#include <pybind11/pybind11.h>

#include <utility>

namespace py = pybind11;

namespace tr::python {
namespace {
thread_local bool uninterrupted = false;
}

void check_signals() {
    if (uninterrupted) return;
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

Uninterrupted::Uninterrupted() : outer_(std::exchange(uninterrupted, true)) {}
Uninterrupted::~Uninterrupted() {
    uninterrupted = outer_;
}

}  // namespace tr::python
