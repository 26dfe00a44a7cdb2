#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

#include "python/python_api.h"
#include "tech_renaissance/utils/tr_exception.h"

/// Between the interpreter's objects and values, for the functions of the module.
namespace tr::python {

/// A Python exception has been set.
struct Raised {};

using Arguments = PyObject* const*;

/// A new reference to a result, or the exception.
inline PyObject* checked(PyObject* object) {
    if (object == nullptr) throw Raised{};
    return object;
}
/// Owns a reference.
class Ref {
  public:
    explicit Ref(PyObject* object) : object_(checked(object)) {}
    ~Ref() {
        if (object_ != nullptr) Py_DecRef(object_);
    }
    Ref(const Ref&) = delete;
    Ref& operator=(const Ref&) = delete;
    PyObject* get() const { return object_; }
    PyObject* release() { return std::exchange(object_, nullptr); }

  private:
    PyObject* object_;
};
inline PyObject* none() {
    Py_IncRef(&_Py_NoneStruct);
    return &_Py_NoneStruct;
}
inline bool is_none(const PyObject* object) {
    return object == &_Py_NoneStruct;
}
inline PyObject* number(std::uint64_t value) {
    return checked(PyLong_FromUnsignedLongLong(value));
}
inline PyObject* text(std::string_view value) {
    return checked(PyUnicode_FromStringAndSize(value.data(), static_cast<Py_ssize_t>(value.size())));
}
inline PyObject* bytes(std::string_view value) {
    return checked(PyBytes_FromStringAndSize(value.data(), static_cast<Py_ssize_t>(value.size())));
}
inline std::uint64_t to_number(PyObject* object) {
    const auto value = PyLong_AsUnsignedLongLong(object);
    if (value == ~0ULL && PyErr_Occurred() != nullptr) throw Raised{};
    return value;
}
inline std::int64_t to_signed(PyObject* object) {
    const auto value = PyLong_AsLongLong(object);
    if (value == -1 && PyErr_Occurred() != nullptr) throw Raised{};
    return value;
}
/// The bytes lie in the object.
inline std::string_view to_bytes(PyObject* object) {
    char* start = nullptr;
    Py_ssize_t length = 0;
    if (PyBytes_AsStringAndSize(object, &start, &length) != 0) throw Raised{};
    return {start, static_cast<std::size_t>(length)};
}
/// What a capsule of this name holds.
template <class T>
T& content(PyObject* capsule, const char* name) {
    auto* found = static_cast<T*>(PyCapsule_GetPointer(capsule, name));
    if (found == nullptr) throw Raised{};
    return *found;
}

inline void require_count(Py_ssize_t count, Py_ssize_t expected) {
    if (count == expected) return;
    PyErr_SetString(PyExc_TypeError, "a function of the library was called with a wrong number of arguments");
    throw Raised{};
}

/// The result of `body`, with exceptions of C++ as those of Python: RestartError and others as the given ones.
template <class Body>
PyObject* answer(PyObject* input_error, PyObject* restart_error, const Body& body) noexcept {
    try {
        return body();
    } catch (const Raised&) {
    } catch (const RestartError& error) {
        PyErr_SetString(restart_error, error.what());
    } catch (const std::bad_alloc&) {
        PyErr_SetString(PyExc_MemoryError, "no memory for a message");
    } catch (const std::exception& error) {
        PyErr_SetString(input_error, error.what());
    }
    return nullptr;
}

}  // namespace tr::python
