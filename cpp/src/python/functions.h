#pragma once

#include <memory>
#include <utility>

#include "python/values.h"

/// Functions of the interpreter that belong to an object: each has the object's capsule as its `self`.
namespace tr::python {

/// Which classes of exceptions an object's functions raise: for InputError and others, and for RestartError.
template <class T>
std::pair<PyObject*, PyObject*> errors_of(const T&) {
    return {PyExc_TypeError, PyExc_TypeError};
}

/// A function of a T; T::kName is its capsule's.
template <class T, Py_ssize_t kCount, PyObject* (*kBody)(T&, Arguments)>
PyObject* method(PyObject* self, Arguments arguments, Py_ssize_t count) {
    auto* object = static_cast<T*>(PyCapsule_GetPointer(self, T::kName));
    if (object == nullptr) return nullptr;
    const auto [input_error, restart_error] = errors_of(*object);
    return answer(input_error, restart_error, [&] {
        require_count(count, kCount);
        return kBody(*object, arguments);
    });
}

template <class T, Py_ssize_t kCount, PyObject* (*kBody)(T&, Arguments)>
PyMethodDef function_of(const char* name) {
    return {name, reinterpret_cast<void*>(&method<T, kCount, kBody>), METH_FASTCALL, nullptr};
}

/// Puts functions of an object into a dictionary.
template <std::size_t kSize>
void bind(PyMethodDef (&functions)[kSize], PyObject* self, PyObject* into) {
    for (auto& function : functions) {
        const Ref bound(PyCFunction_NewEx(&function, self, nullptr));
        if (PyDict_SetItemString(into, function.name, bound.get()) != 0) throw Raised{};
    }
}

/// Owns an object, which dies with it.
template <class T>
PyObject* capsule(std::unique_ptr<T> object) {
    PyObject* made = checked(PyCapsule_New(
        object.get(), T::kName, [](PyObject* self) { delete static_cast<T*>(PyCapsule_GetPointer(self, T::kName)); }));
    static_cast<void>(object.release());
    return made;
}

inline void put(PyObject* into, const char* name, PyObject* value) {
    const Ref owned(value);
    if (PyDict_SetItemString(into, name, value) != 0) throw Raised{};
}

}  // namespace tr::python
