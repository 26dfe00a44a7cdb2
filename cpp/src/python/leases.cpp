#ifdef __linux__

#include "python/leases.h"

#include <atomic>
#include <cstdint>
#include <utility>

#include "platform/fork.h"
#include "platform/private_pages.h"
#include "python/functions.h"

namespace tr::python {
namespace {

using channel::Mailbox;

struct LeaseTable {
    static constexpr const char* kName = "tech_renaissance.leases";
    std::shared_ptr<Mailbox> mailbox;  ///< whose memory it is
    Mailbox::Lease* leases;

    Mailbox::Lease& slot(PyObject* slot) const {
        const auto found = to_number(slot);
        if (found < Mailbox::kLeases) return leases[found];
        PyErr_SetString(PyExc_IndexError, "a lease table has no such slot");
        throw Raised{};
    }
};

PyObject* leases_inode(LeaseTable& self, Arguments arguments) {
    return number(self.slot(arguments[0]).inode.load(std::memory_order_acquire));
}
PyObject* leases_set_inode(LeaseTable& self, Arguments arguments) {
    self.slot(arguments[0]).inode.store(to_number(arguments[1]), std::memory_order_release);
    return none();
}
PyObject* leases_count(LeaseTable& self, Arguments arguments) {
    return number(self.slot(arguments[0]).count.load(std::memory_order_acquire));
}
PyObject* leases_is_lent(LeaseTable& self, Arguments arguments) {
    return number(self.slot(arguments[0]).lent.load(std::memory_order_relaxed));
}
PyObject* leases_set_count(LeaseTable& self, Arguments arguments) {
    self.slot(arguments[0]).count.store(static_cast<std::uint32_t>(to_number(arguments[1])), std::memory_order_release);
    return none();
}
/// The slot of a buffer; -1 when it is not listed.
PyObject* leases_find(LeaseTable& self, Arguments arguments) {
    const auto inode = to_number(arguments[0]);
    for (std::size_t slot = 0; slot < Mailbox::kLeases; ++slot)
        if (self.leases[slot].inode.load(std::memory_order_acquire) == inode)
            return PyLong_FromLong(static_cast<long>(slot));
    return PyLong_FromLong(-1);
}

// ---------------------------------------------------------------------------------------------------- shared memory

/// A mapped file, and how many tensors over it live.
struct SharedMemory {
    static constexpr const char* kName = "tech_renaissance.shared_memory";

    explicit SharedMemory(PyObject* mapping) {
        if (PyObject_GetBuffer(mapping, &memory, PyBUF_WRITABLE) != 0) throw Raised{};
    }
    ~SharedMemory() { PyBuffer_Release(&memory); }
    SharedMemory(const SharedMemory&) = delete;
    SharedMemory& operator=(const SharedMemory&) = delete;

    /// A fork has copies of the tensors and of the table, but no lease.
    void count(int change) {
        held += static_cast<std::uint32_t>(change);
        if (lease != nullptr && platform::fork_generation() == generation)
            lease->count.fetch_add(static_cast<std::uint32_t>(change), std::memory_order_acq_rel);
    }

    /// What is held is no part of the file any more.
    void give_up_leases() {
        if (lease != nullptr && platform::fork_generation() == generation)
            lease->count.fetch_sub(held, std::memory_order_acq_rel);
        lease = nullptr;
    }

    Py_buffer memory{};
    std::shared_ptr<Mailbox> mailbox;  ///< whose memory the lease is
    Mailbox::Lease* lease = nullptr;
    std::uint32_t held = 0;  ///< under the interpreter's lock
    const std::uint32_t generation = platform::fork_generation();
};

/// What is handed out, laid out as an object of the interpreter.
struct Holding {
    Py_ssize_t references;
    void* type;
    PyObject* owner;  ///< the capsule of the memory
    SharedMemory* memory;
};

PyObject* holding_type = nullptr;

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
    const auto* holding = reinterpret_cast<Holding*>(self);
    if (holding->memory == nullptr) {  // made by another than hand_out()
        PyErr_SetString(PyExc_TypeError, "there is no memory");
        return -1;
    }
    return PyBuffer_FillInfo(view, self, holding->memory->memory.buf, holding->memory->memory.len, 0, flags);
}

void let_go(PyObject* self) {
    const auto* holding = reinterpret_cast<Holding*>(self);
    PyObject* owner = holding->owner;
    if (owner != nullptr) holding->memory->count(-1);
    PyObject_Free(self);
    if (owner != nullptr) Py_DecRef(owner);
    Py_DecRef(holding_type);
}

PyObject* hand_out(SharedMemory& self, PyObject* owner) {
    PyObject* made = checked(_PyObject_New(holding_type));
    auto* holding = reinterpret_cast<Holding*>(made);
    Py_IncRef(owner);
    holding->owner = owner;
    holding->memory = &self;
    self.count(+1);
    return made;
}

PyObject* memory_hand_out(PyObject* self, Arguments, Py_ssize_t count) {
    return answer(PyExc_TypeError, PyExc_TypeError, [&] {
        require_count(count, 0);
        return hand_out(content<SharedMemory>(self, SharedMemory::kName), self);
    });
}
PyObject* memory_held(SharedMemory& self, Arguments) {
    return number(self.held);
}
PyObject* memory_is_untouched(SharedMemory& self, Arguments) {
    return PyBool_FromLong(platform::is_untouched(self.memory.buf, static_cast<std::size_t>(self.memory.len)));
}
PyObject* memory_give_up_leases(SharedMemory& self, Arguments) {
    self.give_up_leases();
    return none();
}

}  // namespace

PyObject* lease_table(const std::shared_ptr<Mailbox>& mailbox, Mailbox::Lease* leases) {
    static PyMethodDef functions[] = {
        function_of<LeaseTable, 1, leases_inode>("inode"), function_of<LeaseTable, 2, leases_set_inode>("set_inode"),
        function_of<LeaseTable, 1, leases_count>("count"), function_of<LeaseTable, 2, leases_set_count>("set_count"),
        function_of<LeaseTable, 1, leases_find>("find"),   function_of<LeaseTable, 1, leases_is_lent>("is_lent"),
    };
    Ref into(PyDict_New());
    PyObject* self = capsule(std::make_unique<LeaseTable>(LeaseTable{mailbox, leases}));
    put(into.get(), "self", self);  // which keeps it from here on
    bind(functions, self, into.get());
    return into.release();
}

void prepare_leases() {
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(&let_go)},
        {Py_bf_getbuffer, reinterpret_cast<void*>(&get_buffer)},
        {0, nullptr},
    };
    static PyType_Spec spec{"tech_renaissance._library.Memory", sizeof(Holding), 0, Py_TPFLAGS_DEFAULT, slots};
    if (holding_type == nullptr) holding_type = checked(PyType_FromSpec(&spec));
}

PyObject* shared_memory(PyObject*, Arguments arguments, Py_ssize_t count) {
    static PyMethodDef functions[] = {
        {"hand_out", reinterpret_cast<void*>(&memory_hand_out), METH_FASTCALL, nullptr},
        function_of<SharedMemory, 0, memory_held>("held"),
        function_of<SharedMemory, 0, memory_give_up_leases>("give_up_leases"),
        function_of<SharedMemory, 0, memory_is_untouched>("is_untouched"),
    };
    return answer(PyExc_TypeError, PyExc_TypeError, [&] {
        require_count(count, 3);
        auto memory = std::make_unique<SharedMemory>(arguments[0]);
        if (!is_none(arguments[1])) {
            const auto& table = content<LeaseTable>(arguments[1], LeaseTable::kName);
            memory->mailbox = table.mailbox;
            memory->lease = &table.slot(arguments[2]);
        }
        Ref into(PyDict_New());
        put(into.get(), "address", number(reinterpret_cast<std::uintptr_t>(memory->memory.buf)));
        const Ref self(capsule(std::move(memory)));
        bind(functions, self.get(), into.get());
        return into.release();
    });
}

}  // namespace tr::python

#endif
