#pragma once

#include <pybind11/pybind11.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

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

/// Lets other threads of Python run. Before 3.14, CPython unwinds a thread that wants its turn while the interpreter
/// ends, through code that must not throw; as in later versions, it stays where it is instead, until the process has
/// ended.
class NoGil {
  public:
    NoGil() : thread_(PyEval_SaveThread()) {}
    ~NoGil() {
        try {
            PyEval_RestoreThread(thread_);
        } catch (...) {
            for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
        }
    }
    NoGil(const NoGil&) = delete;
    NoGil& operator=(const NoGil&) = delete;

  private:
    PyThreadState* thread_;
};

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
