#include "carrier/mailbox.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bindings.h"
#include "platform/mapping_guard.h"
#include "protocol/plain_message.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace py = pybind11;

namespace tr::python {
namespace {

using carrier::Mailbox;
using platform::Deadline;

// The worker's side of a session's mailbox; `_mailbox.PureMailbox` does the same without this module.
class WorkerMailbox {
  public:
    WorkerMailbox(const std::string& path, std::uint64_t epoch)
        : mailbox_(Mailbox::open(path, epoch)), directory_(path.substr(0, path.rfind('/'))) {}

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

    void wait(std::int64_t timeout_ms) const {
        const std::uint32_t bell = mailbox_->bell();
        if (mailbox_->received_by_peer() || mailbox_->pending()) return;
        const py::gil_scoped_release no_gil;
        mailbox_->wait(bell, Deadline::after(timeout_ms));
    }

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
            return py::make_tuple(plain->command, plain->parameters, plain->id, plain->deadline_ms);
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
    py::class_<WorkerMailbox>(module, "Mailbox")
        .def(py::init<const std::string&, std::uint64_t>(), py::arg("path"), py::arg("epoch"))
        .def("next", &WorkerMailbox::next, py::arg("timeout_ms"))
        .def("send", [](WorkerMailbox& self, const py::bytes& message) { return self.send(std::string_view(message)); })
        .def("answer", &WorkerMailbox::answer, py::arg("request_id"), py::arg("command"), py::arg("result"),
             py::arg("tensors"))
        .def("received_by_peer", &WorkerMailbox::received_by_peer)
        .def("wait", &WorkerMailbox::wait, py::arg("timeout_ms"));
}

}  // namespace tr::python
