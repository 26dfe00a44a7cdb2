// The module that a worker's interpreter finds in this library, whatever its version: the mailbox as Python functions,
// and those of tensors.h.
// tech_renaissance/platform/library.py loads it, and channel/mailbox.py does the same in Python where it cannot be had.
#ifdef __linux__

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "channel/mailbox.h"
#include "platform/file.h"
#include "platform/mapping_guard.h"
#include "protocol/plain_message.h"
#include "python/functions.h"
#include "python/leases.h"
#include "python/tensors.h"
#include "python/values.h"
#include "tech_renaissance/export.h"

namespace tr::python {
namespace {

using channel::Mailbox;
using platform::Deadline;

constexpr int kVersion = 7;  ///< of what the module offers; library.py asks for it

/// What `self` of the functions is.
struct WorkerMailbox {
    static constexpr const char* kName = "tech_renaissance.mailbox";
    std::shared_ptr<Mailbox> mailbox;
    std::string directory;
    PyObject* input_error;  ///< classes of tech_renaissance.errors; kept alive for as long as there is an interpreter
    PyObject* restart_error;
};
std::pair<PyObject*, PyObject*> errors_of(const WorkerMailbox& self) {
    return {self.input_error, self.restart_error};
}
struct Guard : platform::MappingGuard {
    static constexpr const char* kName = "tech_renaissance.guard";
    using MappingGuard::MappingGuard;
};

/// The text lies in the object; nothing when it is not plain (or has half a character, which UTF-8 cannot say).
std::optional<std::string_view> to_plain_text(PyObject* object) {
    Py_ssize_t length = 0;
    const char* start = PyUnicode_AsUTF8AndSize(object, &length);
    if (start == nullptr) {
        PyErr_Clear();
        return std::nullopt;
    }
    const std::string_view found(start, static_cast<std::size_t>(length));
    return protocol::is_plain(found) ? std::optional(found) : std::nullopt;
}

/// The interpreter runs other threads for as long as this lives.
class Unlocked {
  public:
    Unlocked() : state_(PyEval_SaveThread()) {}
    ~Unlocked() { PyEval_RestoreThread(state_); }
    Unlocked(const Unlocked&) = delete;
    Unlocked& operator=(const Unlocked&) = delete;

  private:
    void* state_;
};

// ---------------------------------------------------------------------------------------------------------- mailbox

/// What was lost of the session's files reads as zeros, so nothing that lies in them can be relied on.
void require_whole(const WorkerMailbox& self) {
    if (!platform::any_damage()) return;
    if (const std::string file = platform::take_damage(self.directory); !file.empty())
        throw RestartError("'" + file + "' was cut short while it was mapped: the host has broken the session");
}

PyObject* members_of(const protocol::PlainRequest& plain) {
    const bool attached = !plain.traceparent.empty() || !plain.arguments.empty();
    const bool named = !plain.names.empty();
    const bool told = attached || named || !plain.buffers.empty();
    Ref members(PyTuple_New(attached ? 8 : named ? 6 : told ? 5 : 4));
    PyTuple_SetItem(members.get(), 0, text(plain.command));
    PyTuple_SetItem(members.get(), 1, text(plain.parameters));
    PyTuple_SetItem(members.get(), 2, number(plain.id));
    PyTuple_SetItem(members.get(), 3, plain.deadline_ms ? number(*plain.deadline_ms) : none());
    if (told) PyTuple_SetItem(members.get(), 4, text(plain.buffers));
    if (attached || named) PyTuple_SetItem(members.get(), 5, text(plain.names));
    if (attached) {
        PyTuple_SetItem(members.get(), 6, text(plain.traceparent));
        PyTuple_SetItem(members.get(), 7, plain.arguments.empty() ? none() : bytes(plain.arguments));
    }
    return members.release();
}

/// None; or of a plain request its members, in the order of messages.Request; or the bytes of another message.
PyObject* take(WorkerMailbox& self) {
    const auto message = self.mailbox->receive();
    require_whole(self);
    if (!message) return none();
    const auto plain = protocol::read_plain_request(*message);
    Ref found(plain ? members_of(*plain) : bytes(*message));
    self.mailbox->acknowledge();  // not before, so that it is not lost where there is no memory for it
    return found.release();
}

void wait(WorkerMailbox& self, std::uint32_t seen, std::int64_t timeout_ms) {
    const Unlocked unlocked;
    self.mailbox->wait(seen, Deadline::after(timeout_ms));
}

PyObject* mailbox_next(WorkerMailbox& self, Arguments arguments) {
    const std::int64_t timeout_ms = to_signed(arguments[0]);
    const std::uint32_t bell = self.mailbox->bell();
    if (timeout_ms <= 0 || self.mailbox->pending()) return take(self);
    wait(self, bell, timeout_ms);
    return take(self);
}

PyObject* mailbox_send(WorkerMailbox& self, Arguments arguments) {
    const auto message = to_bytes(arguments[0]);
    require_whole(self);
    return PyBool_FromLong(self.mailbox->send(message));
}

/// Answers a request that succeeded: its id, command, result, tags, and where they lie. False when that takes more than
/// a plain response; nothing was done then.
PyObject* mailbox_answer(WorkerMailbox& self, Arguments arguments) {
    const auto id = to_number(arguments[0]);
    const auto command = to_plain_text(arguments[1]);
    const auto result = to_plain_text(arguments[2]);
    const auto buffers = to_plain_text(arguments[4]);
    if (!command || !result || !buffers) return PyBool_FromLong(0);
    std::vector<std::string_view> tags;
    const Py_ssize_t count = PySequence_Size(arguments[3]);
    if (count < 0) throw Raised{};
    for (Py_ssize_t i = 0; i < count; ++i) {
        const Ref tag(PySequence_GetItem(arguments[3], i));
        const auto plain = to_plain_text(tag.get());  // which the sequence keeps alive
        if (!plain) return PyBool_FromLong(0);
        tags.push_back(*plain);
    }
    require_whole(self);
    return PyBool_FromLong(self.mailbox->send(protocol::write_plain_response(id, *command, *result, tags, *buffers)));
}

PyObject* mailbox_wait(WorkerMailbox& self, Arguments arguments) {
    wait(self, static_cast<std::uint32_t>(to_number(arguments[0])), to_signed(arguments[1]));
    return none();
}

/// When the message that lies ready was sent, in nanoseconds of CLOCK_MONOTONIC, at least 1; 0 when there is none.
PyObject* mailbox_ready_since(WorkerMailbox& self, Arguments) {
    return number(self.mailbox->pending() ? std::max<std::uint64_t>(1, self.mailbox->sent_ns()) : 0);
}
PyObject* mailbox_received_by_peer(WorkerMailbox& self, Arguments) {
    return PyBool_FromLong(self.mailbox->received_by_peer());
}
PyObject* mailbox_bell(WorkerMailbox& self, Arguments) {
    return number(self.mailbox->bell());
}
PyObject* mailbox_rings(WorkerMailbox& self, Arguments) {
    return number(self.mailbox->rings());
}
PyObject* mailbox_ring_self(WorkerMailbox& self, Arguments) {
    self.mailbox->ring_self();
    return none();
}
PyObject* mailbox_ring_peer(WorkerMailbox& self, Arguments) {
    self.mailbox->ring_peer();
    return none();
}
PyObject* mailbox_tell_names_changed(WorkerMailbox& self, Arguments) {
    self.mailbox->tell_names_changed();
    return none();
}
PyObject* mailbox_tell_status_changed(WorkerMailbox& self, Arguments) {
    self.mailbox->tell_status_changed();
    return none();
}
PyObject* mailbox_names_state(WorkerMailbox& self, Arguments) {
    return number(self.mailbox->names_state());
}

// ----------------------------------------------------------------------------------------------------------- module

/// mailbox(path, epoch, busy_wait_us, first, InputError, RestartError) -> its functions by their names, `self`, by
/// which another one says that this is its worker's first, and the tables `host_leases` and `own_leases` likewise.
PyObject* open_mailbox(PyObject*, Arguments arguments, Py_ssize_t count) {
    static PyMethodDef functions[] = {
        function_of<WorkerMailbox, 1, mailbox_next>("next"),
        function_of<WorkerMailbox, 1, mailbox_send>("send"),
        function_of<WorkerMailbox, 5, mailbox_answer>("answer"),
        function_of<WorkerMailbox, 2, mailbox_wait>("wait"),
        function_of<WorkerMailbox, 0, mailbox_ready_since>("ready_since"),
        function_of<WorkerMailbox, 0, mailbox_received_by_peer>("received_by_peer"),
        function_of<WorkerMailbox, 0, mailbox_bell>("bell"),
        function_of<WorkerMailbox, 0, mailbox_rings>("rings"),
        function_of<WorkerMailbox, 0, mailbox_ring_self>("ring_self"),
        function_of<WorkerMailbox, 0, mailbox_ring_peer>("ring_peer"),
        function_of<WorkerMailbox, 0, mailbox_tell_names_changed>("tell_names_changed"),
        function_of<WorkerMailbox, 0, mailbox_tell_status_changed>("tell_status_changed"),
        function_of<WorkerMailbox, 0, mailbox_names_state>("names_state"),
    };
    PyObject* errors[] = {PyExc_TypeError, PyExc_TypeError};
    if (count == 6) std::copy(arguments + 4, arguments + 6, errors);
    return answer(errors[0], errors[1], [&] {
        require_count(count, 6);
        const std::string path(to_bytes(arguments[0]));
        auto mailbox = Mailbox::open(path, to_number(arguments[1]), Mailbox::Side::worker, to_signed(arguments[2]));
        if (!is_none(arguments[3])) {
            mailbox->ring_through(content<WorkerMailbox>(arguments[3], WorkerMailbox::kName).mailbox);
        }
        for (PyObject* error : errors) Py_IncRef(error);
        Ref into(PyDict_New());
        put(into.get(), "host_leases", lease_table(mailbox, mailbox->peer_leases()));
        put(into.get(), "own_leases", lease_table(mailbox, mailbox->own_leases()));
        put(into.get(), "revision", number(mailbox->revision()));
        PyObject* self = capsule(std::make_unique<WorkerMailbox>(
            WorkerMailbox{mailbox, path.substr(0, path.rfind('/')), errors[0], errors[1]}));
        put(into.get(), "self", self);  // which keeps it from here on
        bind(functions, self, into.get());
        return into.release();
    });
}

/// guard(mapping, path) -> what keeps that memory guarded until it is let go of; before the memory is.
PyObject* guard(PyObject*, Arguments arguments, Py_ssize_t count) {
    return answer(PyExc_TypeError, PyExc_TypeError, [&] {
        require_count(count, 2);
        Py_buffer memory;
        if (PyObject_GetBuffer(arguments[0], &memory, 0) != 0) throw Raised{};
        const void* start = memory.buf;
        const auto length = static_cast<std::size_t>(memory.len);
        PyBuffer_Release(&memory);  // or the mapping, which is to own the guard, could never go
        return capsule(std::make_unique<Guard>(start, length, std::string(to_bytes(arguments[1]))));
    });
}

/// exchange(path, path) -> whether each of two files has got the other's name; if not, nothing was done.
PyObject* exchange(PyObject*, Arguments arguments, Py_ssize_t count) {
    return answer(PyExc_TypeError, PyExc_TypeError, [&] {
        require_count(count, 2);
        return PyBool_FromLong(
            platform::exchange_files(std::string(to_bytes(arguments[0])), std::string(to_bytes(arguments[1]))));
    });
}

}  // namespace
}  // namespace tr::python

extern "C" TR_API PyObject* PyInit__library() {
    // Where an interpreter hides its names, none of them resolves; it makes an error of this.
    if (PyModule_Create2 == nullptr || PyType_FromSpec == nullptr) return nullptr;
    static PyMethodDef functions[] = {
        {"mailbox", reinterpret_cast<void*>(&tr::python::open_mailbox), METH_FASTCALL, nullptr},
        {"guard", reinterpret_cast<void*>(&tr::python::guard), METH_FASTCALL, nullptr},
        {"exchange", reinterpret_cast<void*>(&tr::python::exchange), METH_FASTCALL, nullptr},
        {"shared_memory", reinterpret_cast<void*>(&tr::python::shared_memory), METH_FASTCALL, nullptr},
        {"read_tensor", reinterpret_cast<void*>(&tr::python::read_tensor), METH_FASTCALL, nullptr},
        {"write_tensor", reinterpret_cast<void*>(&tr::python::write_tensor), METH_FASTCALL, nullptr},
        {"describe_tensor", reinterpret_cast<void*>(&tr::python::describe_tensor), METH_FASTCALL, nullptr},
        {nullptr, nullptr, 0, nullptr},
    };
    static PyModuleDef definition{1,       nullptr, nullptr,   0,       nullptr, "tech_renaissance._library",
                                  nullptr, -1,      functions, nullptr, nullptr, nullptr,
                                  nullptr};
    return tr::python::answer(PyExc_TypeError, PyExc_TypeError, [] {
        tr::python::prepare_leases();
        tr::python::Ref module(PyModule_Create2(&definition, PYTHON_ABI_VERSION));
        if (PyModule_AddIntConstant(module.get(), "version", tr::python::kVersion) != 0) throw tr::python::Raised{};
        return module.release();
    });
}

#endif
