// For a worker that is a host as well: what it hands on between its own host and the sessions that it has.
#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <utility>

#include "bindings.h"
#include "channel/mailbox.h"
#include "channel/tensor_files.h"

namespace py = pybind11;

namespace tr::python {
namespace {

using channel::TensorFiles;

/// The file that a tensor of a session's lies in, for this worker to send it on. With the interpreter's lock held.
class Loan {
  public:
    explicit Loan(TensorFiles::Found found) : found_(std::move(found)) {}

    std::uint64_t inode() const { return found_.file.inode; }
    bool link(const std::string& name) const { return channel::link_to(found_.file, name); }
    /// A tensor lies over it.
    bool is_held() const { return found_.memory.use_count() > 1; }
    py::memoryview memory() const {
        return py::memoryview::from_memory(found_.memory.get(), static_cast<py::ssize_t>(found_.file.size));
    }
    void end() {
        channel::tell_names_changed(found_.file.mailbox);
        found_.memory.reset();
    }

  private:
    TensorFiles::Found found_;
};

std::unique_ptr<Loan> borrow(std::uintptr_t address, std::size_t bytes, const py::bytes& header) {
    auto found = TensorFiles::of_process().find(reinterpret_cast<const void*>(address), bytes,
                                                static_cast<std::string_view>(header));
    // Who else in this worker holds one of its own buffers, the count of its memory does not tell.
    if (!found || found->is_buffer) return nullptr;
    return std::make_unique<Loan>(std::move(*found));
}

/// The mailbox of this worker's channel, for its leases.
using Mailbox = std::shared_ptr<channel::Mailbox>;

}  // namespace

void register_loans(py::module_& module) {
    py::class_<Loan>(module, "Loan")
        .def_property_readonly("inode", &Loan::inode)
        .def("link", &Loan::link)
        .def("is_held", &Loan::is_held)
        .def("memory", &Loan::memory)
        .def("end", &Loan::end);
    module.def("borrow", &borrow);
    py::class_<channel::Mailbox, Mailbox>(module, "Leases")
        .def(
            py::init([](const std::string& path, std::uint64_t epoch) { return channel::Mailbox::open(path, epoch); }));
    module.def("add_buffer", [](const Mailbox& leases, bool own, std::uintptr_t address, const std::string& directory,
                                const std::string& path, std::uint64_t inode, std::uint64_t size, std::uint32_t slot) {
        if (slot >= channel::Mailbox::kLeases) throw py::value_error("a lease table has no such slot");
        auto* table = own ? leases->own_leases() : leases->peer_leases();
        TensorFiles::of_process().add_buffer(reinterpret_cast<const void*>(address),
                                             {directory, path, inode, size, leases}, table[slot]);
    });
    module.def("forget_buffer", [](std::uintptr_t address) {
        TensorFiles::of_process().forget(reinterpret_cast<const void*>(address));
    });
}

}  // namespace tr::python
