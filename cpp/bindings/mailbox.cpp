#include "carrier/mailbox.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bindings.h"

namespace py = pybind11;

namespace tr::python {
namespace {

using carrier::Mailbox;
using platform::Deadline;

// The worker's side of a session's mailbox; `_mailbox.PureMailbox` does the same without this module.
class WorkerMailbox {
  public:
    WorkerMailbox(const std::string& path, std::uint64_t epoch) : mailbox_(Mailbox::open(path, epoch)) {}

    std::optional<py::bytes> next(std::int64_t timeout_ms) {
        const std::uint32_t bell = mailbox_.bell();
        if (auto message = take()) return message;
        if (timeout_ms <= 0) return std::nullopt;
        {
            const py::gil_scoped_release no_gil;
            mailbox_.wait(bell, Deadline::after(timeout_ms));
        }
        return take();
    }

    bool send(std::string_view message) { return mailbox_.send(message); }
    bool received_by_peer() const { return mailbox_.received_by_peer(); }

    void wait(std::int64_t timeout_ms) const {
        const std::uint32_t bell = mailbox_.bell();
        if (mailbox_.received_by_peer() || mailbox_.pending()) return;
        const py::gil_scoped_release no_gil;
        mailbox_.wait(bell, Deadline::after(timeout_ms));
    }

  private:
    std::optional<py::bytes> take() {
        const auto message = mailbox_.receive();
        if (!message) return std::nullopt;
        mailbox_.acknowledge();
        return py::bytes(*message);
    }

    Mailbox mailbox_;
};

}  // namespace

void register_mailbox(py::module_& module) {
    py::class_<WorkerMailbox>(module, "Mailbox")
        .def(py::init<const std::string&, std::uint64_t>(), py::arg("path"), py::arg("epoch"))
        .def("next", &WorkerMailbox::next, py::arg("timeout_ms"))
        .def("send", [](WorkerMailbox& self, const py::bytes& message) { return self.send(std::string_view(message)); })
        .def("received_by_peer", &WorkerMailbox::received_by_peer)
        .def("wait", &WorkerMailbox::wait, py::arg("timeout_ms"));
}

}  // namespace tr::python
