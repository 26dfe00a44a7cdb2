#include "bindings.h"
#include "tech_renaissance/config.h"

PYBIND11_MODULE(_core, module) {
    module.doc() = "The C++ library behind tech_renaissance.PythonSession. Private: its names may change at any time.";
    module.attr("__version__") = TR_VERSION;
    tr::python::register_errors(module);
    tr::python::register_tensors(module);
    tr::python::register_stream(module);
    tr::python::register_signals(module);
    tr::python::register_session(module);
    tr::python::register_calls(module);
    tr::python::register_endpoints(module);
    tr::python::register_pool(module);
    tr::python::register_loans(module);
}
