// The floor's worker side: a Python module that sleeps on a futex in a mapped file. Nothing is checked.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>

namespace {

/// As in host/bare.cpp.
struct Line {
    alignas(64) std::atomic<std::uint32_t> count;
    std::uint32_t length;
    char text[120];
};
struct Shared {
    Line request;
    Line response;
};

Shared* shared = nullptr;
std::uint32_t seen = 0;

PyObject* open_mailbox(PyObject*, PyObject* path) {
    const char* name = PyUnicode_AsUTF8(path);
    const int file = name == nullptr ? -1 : ::open(name, O_RDWR | O_CLOEXEC);
    void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (memory == MAP_FAILED) return PyErr_SetFromErrno(PyExc_OSError);
    shared = static_cast<Shared*>(memory);
    Py_RETURN_NONE;
}

PyObject* receive(PyObject*, PyObject*) {
    Line& line = shared->request;
    Py_BEGIN_ALLOW_THREADS while (line.count.load(std::memory_order_acquire) == seen)::syscall(
        SYS_futex, &line.count, FUTEX_WAIT, seen, nullptr, nullptr, 0);
    Py_END_ALLOW_THREADS++ seen;
    return PyBytes_FromStringAndSize(line.text, line.length);
}

PyObject* send(PyObject*, PyObject* data) {
    Line& line = shared->response;
    line.length = static_cast<std::uint32_t>(PyBytes_GET_SIZE(data));
    std::memcpy(line.text, PyBytes_AS_STRING(data), line.length);
    line.count.fetch_add(1, std::memory_order_release);
    ::syscall(SYS_futex, &line.count, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    Py_RETURN_NONE;
}

PyMethodDef methods[] = {{"open_mailbox", open_mailbox, METH_O, nullptr},
                         {"receive", receive, METH_NOARGS, nullptr},
                         {"send", send, METH_O, nullptr},
                         {nullptr, nullptr, 0, nullptr}};
PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "bare_futex_module", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_bare_futex_module() {
    return PyModule_Create(&module);
}
