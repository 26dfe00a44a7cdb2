#include <exception>
#include <string>

#include "bindings.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace py = pybind11;

namespace tr::python {
namespace {

// Name of the Python class for an exception: the same tree stands in tech_renaissance/errors.py.
const char* class_name(const TRException& error) {
    if (dynamic_cast<const TSRError*>(&error) != nullptr) return "TSRError";
    if (dynamic_cast<const NotFoundError*>(&error) != nullptr) return "NotFoundError";
    if (dynamic_cast<const InputError*>(&error) != nullptr) return "InputError";
    if (dynamic_cast<const TimeoutError*>(&error) != nullptr) return "TimeoutError";
    if (dynamic_cast<const OverloadedError*>(&error) != nullptr) return "OverloadedError";
    if (dynamic_cast<const RetryError*>(&error) != nullptr) return "RetryError";
    if (dynamic_cast<const RestartError*>(&error) != nullptr) return "RestartError";
    if (dynamic_cast<const RemoteError*>(&error) != nullptr) return "RemoteError";
    return "TRException";
}

void raise_in_python(const TRException& error) {
    const py::object type = py::module_::import("tech_renaissance.errors").attr(class_name(error));
    py::object value = type(text(error.what()));
    value.attr("code") = to_string(error.code());
    value.attr("python_type") = text(error.python_type());
    value.attr("traceback") = text(error.traceback());
    if (const auto* death = dynamic_cast<const RestartError*>(&error)) value.attr("may_retry") = death->may_retry();
    if (const auto* full = dynamic_cast<const OverloadedError*>(&error))
        value.attr("retry_after_ms") = full->retry_after_ms();
    PyErr_SetObject(type.ptr(), value.ptr());
}

}  // namespace

void register_errors(py::module_&) {
    py::register_local_exception_translator([](std::exception_ptr pointer) {
        try {
            if (pointer) std::rethrow_exception(pointer);
        } catch (const TRException& error) {
            try {
                raise_in_python(error);
            } catch (py::error_already_set& interruption) {  // by a signal's handler, as with Ctrl-C
                interruption.restore();
            }
        }
    });
}

}  // namespace tr::python
