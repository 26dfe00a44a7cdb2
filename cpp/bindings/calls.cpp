// Calls that go on beside the caller, and the wait for the next of several.
#include "calls.h"

#include <pybind11/stl.h>

#include <optional>

#include "bindings.h"
#include "tensors.h"
#include "values.h"

namespace py = pybind11;

namespace tr::python {

std::vector<NamedTensor> share(const py::sequence& exported, const std::vector<std::string>& names) {
    const std::shared_ptr<BorrowedTensors> borrowed(new BorrowedTensors(exported), [](BorrowedTensors* kept) {
        const py::gil_scoped_acquire gil;
        delete kept;
    });
    std::vector<NamedTensor> tensors;
    for (const auto& view : borrowed->views())
        tensors.emplace_back(names.empty() ? std::string() : names.at(tensors.size()),
                             Tensor::from_storage(std::shared_ptr<void>(borrowed, const_cast<void*>(view.data())),
                                                  view.shape(), view.dtype()));
    return tensors;
}

Call::Call(const Session& session, const std::string& command, const py::sequence& tensors,
           const std::vector<std::string>& names, std::int64_t timeout_ms) {
    const auto shared = share(tensors, names);
    future_ = session.call([&](PythonSession& core) { return core.calculate_async(command, shared, timeout_ms); });
}

std::unique_ptr<Call> Call::start(const Session& session, std::int64_t timeout_ms) {
    return std::make_unique<Call>(
        session.call([timeout_ms](PythonSession& core) { return core.start_async(timeout_ms); }));
}

const AsyncHandle& Call::handle() const {
    return std::visit([](const auto& future) -> const AsyncHandle& { return future; }, future_);
}

void Call::cancel() const {
    const NoGil no_gil;
    handle().cancel();
}

Tensor Call::get() {
    const NoGil no_gil;
    return std::get<CallFuture>(future_).get();
}

py::tuple Call::result() {
    const auto wait = [this] {
        const NoGil no_gil;
        return std::get<ResultFuture>(future_).get();
    };
    return result_tuple(wait());
}

void Call::when_ready(const py::object& callback) const {
    const auto shared = with_gil(callback);
    const NoGil no_gil;
    handle().when_ready([shared] {
        const py::gil_scoped_acquire gil;
        try {
            (*shared)();
        } catch (py::error_already_set& error) {
            error.discard_as_unraisable("a call of a PythonSession has ended");
        }
    });
}

namespace {

/// A WaitSet with what is in it.
class Waiting {
  public:
    void add_session(const Session& session, std::uint64_t key) {
        const auto held = session.hold();
        held_.push_back(held);
        const NoGil no_gil;
        set_.add(*held, key);
    }
    void add_sent(const Sent& sent, std::uint64_t key) {
        if (auto session = sent.session()) held_.push_back(std::move(session));
        sent.call([&](PythonSession&, const SentRequest& request) { set_.add(request, key); });
    }
    void add_call(const Call& call, std::uint64_t key) {
        const NoGil no_gil;
        set_.add(call.handle(), key);
    }
    py::object wait(std::int64_t timeout_ms) {
        std::optional<WaitSet::Ready> ready;
        {
            const NoGil no_gil;
            ready = set_.wait(timeout_ms);
        }
        if (!ready) return py::none();
        const char* const events[] = {"answer", "death", "call"};
        return py::make_tuple(ready->key, events[static_cast<int>(ready->event)]);
    }

  private:
    std::vector<std::shared_ptr<PythonSession>> held_;
    WaitSet set_;
};

}  // namespace

void register_calls(py::module_& module) {
    py::class_<Call>(module, "Call", "A tr::CallFuture, or a tr::ResultFuture.")
        .def(py::init<const Session&, const std::string&, const py::sequence&, const std::vector<std::string>&,
                      std::int64_t>(),
             py::arg("session"), py::arg("command"), py::arg("tensors"), py::arg("names"), py::arg("timeout_ms"))
        .def_static("start", &Call::start, py::arg("session"), py::arg("timeout_ms"))
        .def("is_ready", &Call::is_ready)
        .def("cancel", &Call::cancel)
        .def("get", &Call::get)
        .def("result", &Call::result)
        .def("when_ready", &Call::when_ready, py::arg("callback"));
    py::class_<Waiting>(module, "WaitSet", "A tr::WaitSet, for one thread.")
        .def(py::init<>())
        .def("add_session", &Waiting::add_session, py::arg("session"), py::arg("key"))
        .def("add_sent", &Waiting::add_sent, py::arg("sent"), py::arg("key"))
        .def("add_call", &Waiting::add_call, py::arg("call"), py::arg("key"))
        .def("wait", &Waiting::wait, py::arg("timeout_ms"));
}

}  // namespace tr::python
