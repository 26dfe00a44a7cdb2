#pragma once

#include <cstddef>

// The few names of CPython's stable ABI (PEP 384, PEP 590; Python 3.9 to 3.14, with its lock) that library_module.cpp
// needs. They are declared here and not taken from Python.h, as the library is built without a Python, and linked by
// programs that have none: all are weak, and resolved when an interpreter loads the library.

#pragma GCC visibility push(default)
extern "C" {

struct PyObject;
using Py_ssize_t = std::ptrdiff_t;

struct PyMethodDef {
    const char* name;
    void* function;
    int flags;
    const char* doc;
};
constexpr int METH_FASTCALL =
    0x80;  ///< PyObject* function(PyObject* self, PyObject* const* arguments, Py_ssize_t count)

struct PyModuleDef {
    Py_ssize_t references;
    void* type;
    void* init;
    Py_ssize_t index;
    PyObject* copy;
    const char* name;
    const char* doc;
    Py_ssize_t size;
    PyMethodDef* methods;
    void* slots;
    void* traverse;
    void* clear;
    void* free;
};
constexpr int PYTHON_ABI_VERSION = 3;

struct PyType_Slot {
    int slot;
    void* function;
};
struct PyType_Spec {
    const char* name;
    int basicsize;
    int itemsize;
    unsigned int flags;
    PyType_Slot* slots;
};
constexpr int Py_bf_getbuffer = 1;
constexpr int Py_tp_dealloc = 52;
constexpr unsigned int Py_TPFLAGS_DEFAULT = 0;

/// Of the stable ABI from 3.11 on, and the same since 2.6.
struct Py_buffer {
    void* buf;
    PyObject* obj;
    Py_ssize_t len;
    Py_ssize_t itemsize;
    int readonly;
    int ndim;
    char* format;
    Py_ssize_t* shape;
    Py_ssize_t* strides;
    Py_ssize_t* suboffsets;
    void* internal;
};
constexpr int PyBUF_WRITABLE = 1;
constexpr int PyBUF_CONTIGUOUS_WITH_FORMAT = 0x3c;  ///< PyBUF_C_CONTIGUOUS | PyBUF_FORMAT

#define TR_WEAK __attribute__((weak))
extern PyObject* PyExc_TypeError TR_WEAK;
extern PyObject* PyExc_IndexError TR_WEAK;
extern PyObject* PyExc_MemoryError TR_WEAK;
extern PyObject _Py_NoneStruct TR_WEAK;
TR_WEAK void Py_IncRef(PyObject*);
TR_WEAK void Py_DecRef(PyObject*);
TR_WEAK PyObject* PyModule_Create2(PyModuleDef*, int);
TR_WEAK int PyModule_AddIntConstant(PyObject*, const char*, long);
TR_WEAK PyObject* PyCFunction_NewEx(PyMethodDef*, PyObject* self, PyObject* module);
TR_WEAK PyObject* PyCapsule_New(void*, const char*, void (*)(PyObject*));
TR_WEAK void* PyCapsule_GetPointer(PyObject*, const char*);
TR_WEAK PyObject* PyDict_New();
TR_WEAK int PyDict_SetItemString(PyObject*, const char*, PyObject*);
TR_WEAK PyObject* PyTuple_New(Py_ssize_t);
TR_WEAK int PyTuple_SetItem(PyObject*, Py_ssize_t, PyObject*);
TR_WEAK PyObject* PyBool_FromLong(long);
TR_WEAK PyObject* PyLong_FromLong(long);
TR_WEAK PyObject* PyLong_FromUnsignedLongLong(unsigned long long);
TR_WEAK unsigned long long PyLong_AsUnsignedLongLong(PyObject*);
TR_WEAK long long PyLong_AsLongLong(PyObject*);
TR_WEAK PyObject* PyUnicode_FromStringAndSize(const char*, Py_ssize_t);
TR_WEAK const char* PyUnicode_AsUTF8AndSize(PyObject*, Py_ssize_t*);
TR_WEAK PyObject* PyBytes_FromStringAndSize(const char*, Py_ssize_t);
TR_WEAK int PyBytes_AsStringAndSize(PyObject*, char**, Py_ssize_t*);
TR_WEAK Py_ssize_t PySequence_Size(PyObject*);
TR_WEAK PyObject* PySequence_GetItem(PyObject*, Py_ssize_t);
TR_WEAK void PyErr_SetString(PyObject*, const char*);
TR_WEAK PyObject* PyErr_Occurred();
TR_WEAK void PyErr_Clear();
TR_WEAK PyObject* PyType_FromSpec(PyType_Spec*);
TR_WEAK PyObject* _PyObject_New(PyObject* type);
TR_WEAK void PyObject_Free(void*);
TR_WEAK int PyObject_GetBuffer(PyObject*, Py_buffer*, int flags);
TR_WEAK void PyBuffer_Release(Py_buffer*);
TR_WEAK int PyBuffer_FillInfo(Py_buffer*, PyObject*, void*, Py_ssize_t, int readonly, int flags);
TR_WEAK int Py_IsInitialized();
TR_WEAK int PyGILState_Ensure();
TR_WEAK void PyGILState_Release(int);
TR_WEAK void* PyEval_SaveThread();
TR_WEAK void PyEval_RestoreThread(void*);
#undef TR_WEAK
}
#pragma GCC visibility pop
