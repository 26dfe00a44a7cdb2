#include "channel/mailbox.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bindings.h"
#include "platform/mapping_guard.h"
#include "protocol/plain_message.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace py = pybind11;

namespace tr::python {
namespace {

using channel::Mailbox;
using platform::Deadline;

// The leases of one side's buffers, in the memory order of docs/protocol.md; `channel.mailbox.LeaseTable` does the same
// without this module.
class LeaseTable {
  public:
    LeaseTable(std::shared_ptr<Mailbox> mailbox, Mailbox::Lease* leases)
        : mailbox_(std::move(mailbox)), leases_(leases) {}

    std::uint64_t inode(std::size_t slot) const { return at(slot).inode.load(std::memory_order_acquire); }
    void set_inode(std::size_t slot, std::uint64_t inode) { at(slot).inode.store(inode, std::memory_order_release); }
    std::uint32_t count(std::size_t slot) const { return at(slot).count.load(std::memory_order_acquire); }
    void set_count(std::size_t slot, std::uint32_t count) { at(slot).count.store(count, std::memory_order_release); }

    /// The slot of a buffer; -1 when it is not listed.
    int find(std::uint64_t inode) const {
        for (std::size_t slot = 0; slot < Mailbox::kLeases; ++slot)
            if (this->inode(slot) == inode) return static_cast<int>(slot);
        return -1;
    }

  private:
    Mailbox::Lease& at(std::size_t slot) const {
        if (slot >= Mailbox::kLeases) throw py::index_error("there is no such slot");
        return leases_[slot];
    }

    std::shared_ptr<Mailbox> mailbox_;  // whose memory it is
    Mailbox::Lease* leases_;
};

// The worker's side of a session's mailbox; `channel.mailbox.PureMailbox` does the same without this module.
class WorkerMailbox {
  public:
    WorkerMailbox(const std::string& path, std::uint64_t epoch, const WorkerMailbox* first)
        : mailbox_(Mailbox::open(path, epoch)), directory_(path.substr(0, path.rfind('/'))) {
        if (first != nullptr) mailbox_->ring_through(first->mailbox_);
    }

    std::uint32_t revision() const { return mailbox_->revision(); }

    /// When the message that lies ready was sent, in nanoseconds of CLOCK_MONOTONIC, at least 1; 0 when there is none.
    std::uint64_t ready_since() const {
        return mailbox_->pending() ? std::max<std::uint64_t>(1, mailbox_->sent_ns()) : 0;
    }

    /// None; or of a plain request its members, in the order of protocol.Request; or the bytes of another message.
    py::object next(std::int64_t timeout_ms) {
        const std::uint32_t bell = mailbox_->bell();
        py::object message = take();
        if (!message.is_none() || timeout_ms <= 0) return message;
        {
            const py::gil_scoped_release no_gil;
            mailbox_->wait(bell, Deadline::after(timeout_ms));
        }
        return take();
    }

    bool send(std::string_view message) {
        require_whole();
        return mailbox_->send(message);
    }

    /// Answers a request that succeeded.
    /// @returns false when that takes more than a plain response; nothing was done then
    bool answer(std::uint64_t request_id, py::handle command, py::handle result, const py::sequence& tensors) {
        const auto name = plain_text(command);
        const auto text = plain_text(result);
        if (!name || !text) return false;
        std::vector<std::string_view> tags;
        for (const auto& tensor : tensors) tags.push_back(tensor.cast<std::string_view>());
        require_whole();
        return mailbox_->send(protocol::write_plain_response(request_id, *name, *text, tags));
    }
    bool received_by_peer() const { return mailbox_->received_by_peer(); }

    std::uint32_t bell() const { return mailbox_->bell(); }
    void wait(std::uint32_t seen, std::int64_t timeout_ms) const {
        const py::gil_scoped_release no_gil;
        mailbox_->wait(seen, Deadline::after(timeout_ms));
    }
    void ring_self() { mailbox_->ring_self(); }
    void ring_peer() { mailbox_->ring_peer(); }
    std::uint32_t rings() const { return mailbox_->rings(); }

    LeaseTable host_leases() const { return {mailbox_, mailbox_->peer_leases()}; }
    LeaseTable own_leases() const { return {mailbox_, mailbox_->own_leases()}; }
    void tell_names_changed() { mailbox_->tell_names_changed(); }
    std::uint64_t names_state() const { return mailbox_->names_state(); }

  private:
    /// Of a str whose letters lie there one a byte; nothing for others.
    static std::optional<std::string_view> plain_text(py::handle object) {
        if (!PyUnicode_CheckExact(object.ptr()) || !PyUnicode_IS_COMPACT_ASCII(object.ptr())) return std::nullopt;
        const std::string_view text(static_cast<const char*>(PyUnicode_DATA(object.ptr())),
                                    static_cast<std::size_t>(PyUnicode_GET_LENGTH(object.ptr())));
        return protocol::is_plain(text) ? std::optional(text) : std::nullopt;
    }

    py::object take() {
        const auto message = mailbox_->receive();
        require_whole();
        if (!message) return py::none();
        mailbox_->acknowledge();
        if (const auto plain = protocol::read_plain_request(*message))
            return py::make_tuple(plain->command, plain->parameters, plain->id, plain->deadline_ms, plain->traceparent,
                                  plain->arguments.empty() ? py::object(py::none()) : py::bytes(plain->arguments));
        return py::bytes(*message);
    }

    /// What was lost of the session's files reads as zeros, so nothing that lies in them can be relied on.
    void require_whole() const {
        if (!platform::any_damage()) return;
        if (const std::string file = platform::take_damage(directory_); !file.empty())
            throw RestartError("'" + file + "' was cut short while it was mapped: the host has broken the session");
    }

    std::shared_ptr<Mailbox> mailbox_;
    std::string directory_;
};

}  // namespace

void register_mailbox(py::module_& module) {
    py::class_<platform::MappingGuard>(module, "MappingGuard")
        .def(py::init([](const py::buffer& memory, const std::string& path) {
                 const auto info = memory.request();
                 return std::make_unique<platform::MappingGuard>(
                     info.ptr, static_cast<std::size_t>(info.size * info.itemsize), path);
             }),
             py::arg("memory"), py::arg("path"));
    py::class_<LeaseTable>(module, "LeaseTable")
        .def("inode", &LeaseTable::inode, py::arg("slot"))
        .def("set_inode", &LeaseTable::set_inode, py::arg("slot"), py::arg("inode"))
        .def("count", &LeaseTable::count, py::arg("slot"))
        .def("set_count", &LeaseTable::set_count, py::arg("slot"), py::arg("count"))
        .def("find", &LeaseTable::find, py::arg("inode"));
    py::class_<WorkerMailbox>(module, "Mailbox")
        .def(py::init<const std::string&, std::uint64_t, const WorkerMailbox*>(), py::arg("path"), py::arg("epoch"),
             py::arg("first") = py::none())
        .def_property_readonly("revision", &WorkerMailbox::revision)
        .def("next", &WorkerMailbox::next, py::arg("timeout_ms"))
        .def("send", [](WorkerMailbox& self, const py::bytes& message) { return self.send(std::string_view(message)); })
        .def("answer", &WorkerMailbox::answer, py::arg("request_id"), py::arg("command"), py::arg("result"),
             py::arg("tensors"))
        .def("received_by_peer", &WorkerMailbox::received_by_peer)
        .def("ready_since", &WorkerMailbox::ready_since)
        .def("bell", &WorkerMailbox::bell)
        .def("wait", &WorkerMailbox::wait, py::arg("seen"), py::arg("timeout_ms"))
        .def("ring_self", &WorkerMailbox::ring_self)
        .def("ring_peer", &WorkerMailbox::ring_peer)
        .def("rings", &WorkerMailbox::rings)
        .def_property_readonly("host_leases", &WorkerMailbox::host_leases)
        .def_property_readonly("own_leases", &WorkerMailbox::own_leases)
        .def("tell_names_changed", &WorkerMailbox::tell_names_changed)
        .def("names_state", &WorkerMailbox::names_state);
}

}  // namespace tr::python
