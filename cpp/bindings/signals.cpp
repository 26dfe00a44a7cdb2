#include "signals.h"

#include <pybind11/pybind11.h>

#include <utility>

#include "bindings.h"
#include "platform/interrupt.h"
#include "tech_renaissance/utils/tr_exception.h"

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

void Interruption::enter() {
    detail::set_stop_flag(&stopped_);
}

void Interruption::leave() {
    detail::set_stop_flag(nullptr);
}

void Interruption::stop() {
    stopped_.store(true, std::memory_order_release);
    try {
        wake_();
    } catch (const InputError&) {
        // It has been closed, or is that of the process that forked this one: nothing waits in it.
    }
}

void register_signals(py::module_& module) {
    py::class_<Interruption>(module, "Interruption", "Ends calls that are made on one thread `with` it.")
        .def("__enter__", &Interruption::enter)
        .def("__exit__", [](Interruption& self, const py::args&) { self.leave(); })
        .def("stop", &Interruption::stop);
}

Uninterrupted::Uninterrupted()
    : outer_(std::exchange(uninterrupted, true)), outer_flag_(detail::set_stop_flag(nullptr)) {}
Uninterrupted::~Uninterrupted() {
    detail::set_stop_flag(outer_flag_);
    uninterrupted = outer_;
}

}  // namespace tr::python
