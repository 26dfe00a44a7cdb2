#include "tech_renaissance/session/python_session.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "bindings.h"
#include "platform/interrupt.h"
#include "signals.h"
#include "stream.h"
#include "tech_renaissance/utils/tr_exception.h"
#include "tensors.h"

namespace py = pybind11;

namespace tr::python {
namespace {

// A session as Python holds it. It is only ever touched without the GIL: its calls wait, and its log callback needs
// the GIL from whichever thread it is on. A call on one thread keeps it alive when another closes it.
class Session {
  public:
    explicit Session(SessionOptions options) : session_(new PythonSession(std::move(options)), &destroy) {}

    template <class Call>
    auto call(Call what) const {
        const std::shared_ptr<PythonSession> session = session_;
        if (!session) throw InputError("The session has been closed; make a new PythonSession");
        const py::gil_scoped_release no_gil;
        return what(*session);
    }

    std::shared_ptr<Stream> stream(const std::string& command, const std::vector<TensorView>& tensors,
                                   std::int64_t timeout_ms) {
        const std::shared_ptr<PythonSession> session = session_;
        auto stream = std::make_shared<Stream>(
            session, call([&](PythonSession& core) { return core.stream(command, tensors, timeout_ms); }));
        const auto gone = [](const std::weak_ptr<Stream>& other) { return other.expired(); };
        streams_.erase(std::remove_if(streams_.begin(), streams_.end(), gone), streams_.end());
        streams_.push_back(stream);
        return stream;
    }

    void end_streams() const {
        const auto streams = streams_;  // other threads may make one meanwhile
        for (const auto& one : streams)
            if (const std::shared_ptr<Stream> stream = one.lock()) stream->leave_session();
    }

    void close() {
        const std::shared_ptr<PythonSession> session = std::exchange(session_, nullptr);
        end_streams();
        if (session.use_count() > 1) {
            const py::gil_scoped_release no_gil;
            try {
                session->terminate();  // ends the calls of the other threads, the last of which destroys it
            } catch (const InputError&) {
                // In a fork of the program, which has none of these threads.
            }
        }
    }

  private:
    static void destroy(PythonSession* session) {
        const py::gil_scoped_release no_gil;
        const Uninterrupted here;
        delete session;
    }

    std::shared_ptr<PythonSession> session_;
    std::vector<std::weak_ptr<Stream>> streams_;  ///< those that a restart has ended keep the session too
};

// A method of PythonSession as one of Session.
template <class Result, class Self, class... Args>
auto forward(Result (Self::*method)(Args...)) {
    return [method](const Session& self, Args... args) -> std::decay_t<Result> {
        return self.call([&](PythonSession& session) { return (session.*method)(args...); });
    };
}
template <class Result, class Self, class... Args>
auto forward(Result (Self::*method)(Args...) const) {
    return [method](const Session& self, Args... args) -> std::decay_t<Result> {
        return self.call([&](const PythonSession& session) { return (session.*method)(args...); });
    };
}

// Takes `callback(level, message)` into C++; what it raises is reported and goes no further.
std::function<void(LogLevel, const std::string&)> log_function(const py::object& callback) {
    if (callback.is_none()) return {};
    const std::shared_ptr<py::object> shared(new py::object(callback), [](py::object* object) {
        const py::gil_scoped_acquire gil;
        delete object;
    });
    return [shared](LogLevel level, const std::string& message) {
        const py::gil_scoped_acquire gil;
        try {
            (*shared)(to_string(level), text(message));
        } catch (py::error_already_set& error) {
            error.discard_as_unraisable("the log callback of a PythonSession");
        }
    };
}

py::dict stats_dict(const Session& self) {
    const SessionStats stats = self.call([](const PythonSession& session) { return session.stats(); });
    py::dict result;
    result["carrier"] = stats.carrier;
    result["host_wake_up"] = stats.host_wake_up;
    result["worker_wake_up"] = stats.worker_wake_up;
    result["fallback"] = text(stats.fallback);
    result["start"] = text(stats.start);
    result["file_system"] = stats.file_system;
    result["python"] = text(stats.python);
    result["worker_pid"] = stats.worker_pid;
    result["worker_state"] = stats.worker_state;
    result["busy_ms"] = stats.busy_ms;
    result["progress"] = stats.progress;
    result["epoch"] = stats.epoch;
    result["quarantined"] = stats.quarantined;
    result["kept"] = text(stats.kept);
    result["requests"] = stats.requests;
    result["responses"] = stats.responses;
    result["failures"] = stats.failures;
    result["bytes_sent"] = stats.bytes_sent;
    result["bytes_received"] = stats.bytes_received;
    result["last_round_trip_us"] = stats.last_round_trip_us;
    return result;
}

// The fields of RestartPolicy, in their order.
using PolicyFields = std::tuple<int, std::int64_t, std::int64_t, std::vector<std::string>, int>;

std::unique_ptr<Session> make_session(const std::string& script, const std::string& module,
                                      const std::string& session_id, const std::string& workspace,
                                      const std::string& python, const std::map<std::string, std::string>& environment,
                                      const std::string& working_directory, std::int64_t start_timeout_ms,
                                      std::int64_t default_timeout_ms, const std::string& wake_up,
                                      const py::object& log, bool quiet, bool keep_on_failure, bool quick_start,
                                      const std::vector<std::string>& preload, const PolicyFields& restart) {
    SessionOptions options;
    options.script = script;
    options.module = module;
    options.session_id = session_id;
    options.workspace = workspace;
    options.python = python;
    options.environment = environment;
    options.working_directory = working_directory;
    options.start_timeout_ms = start_timeout_ms;
    options.default_timeout_ms = default_timeout_ms;
    options.wake_up = wake_up_from_string(wake_up);
    options.log = log_function(log);
    options.quiet = quiet;
    options.keep_on_failure = keep_on_failure;
    options.quick_start = quick_start;
    options.preload = preload;
    auto& policy = options.restart;
    std::tie(policy.attempts, policy.backoff_ms, policy.max_backoff_ms, policy.idempotent, policy.quarantine_after) =
        restart;
    return std::make_unique<Session>(std::move(options));
}

void register_life(py::class_<Session>& session) {
    session.def("start", forward(&PythonSession::start))
        .def("is_alive", forward(&PythonSession::is_alive))
        .def("is_ready", forward(&PythonSession::is_ready))
        .def("is_busy", forward(&PythonSession::is_busy))
        .def("wait_until_ready", forward(&PythonSession::wait_until_ready), py::arg("timeout_ms"))
        .def("wait_until_ok", forward(&PythonSession::wait_until_ok), py::arg("timeout_ms"))
        .def("please_exit", forward(&PythonSession::please_exit), py::arg("timeout_ms"), py::arg("ensure"))
        .def("terminate", forward(&PythonSession::terminate))
        .def("join", forward(&PythonSession::join))
        .def("restart", forward(&PythonSession::restart), py::arg("timeout_ms"))
        .def("clear_quarantine", forward(&PythonSession::clear_quarantine))
        .def("end_streams", &Session::end_streams)
        .def("close", &Session::close)
        .def("session_dir",
             [](const Session& self) {
                 return text(self.call([](const PythonSession& core) { return core.session_dir(); }));
             })
        .def("session_id", forward(&PythonSession::session_id))
        .def("set_quiet_mode", forward(&PythonSession::set_quiet_mode), py::arg("quiet"))
        .def("stats", &stats_dict);
}

void register_requests(py::class_<Session>& session) {
    session.def("send_request", forward(&PythonSession::send_request), py::arg("message"))
        .def("new_response", forward(&PythonSession::new_response))
        .def("read_response", forward(&PythonSession::read_response))
        .def("wait_for_response", forward(&PythonSession::wait_for_response), py::arg("timeout_ms"))
        .def("fetch_response", forward(&PythonSession::fetch_response), py::arg("message"), py::arg("timeout_ms"))
        .def("wait_for_tensor", forward(&PythonSession::wait_for_tensor), py::arg("timeout_ms"))
        .def("wait_for_tensors", forward(&PythonSession::wait_for_tensors), py::arg("timeout_ms"))
        .def("fetch_tensor", forward(&PythonSession::fetch_tensor), py::arg("message"), py::arg("timeout_ms"));
}

void register_tensor_inputs(py::class_<Session>& session) {
    session
        .def(
            "send_tensor",
            [](const Session& self, const py::object& tensor, const std::string& tag) {
                const BorrowedTensors borrowed(py::make_tuple(tensor));
                self.call([&](PythonSession& core) { core.send_tensor(borrowed.views().front(), tag); });
            },
            py::arg("tensor"), py::arg("tag"))
        .def(
            "empty",
            [](const Session& self, const std::vector<std::int64_t>& shape, std::int32_t dtype,
               const std::string& tag) {
                return self.call(
                    [&](PythonSession& core) { return core.empty(Shape(shape), static_cast<DType>(dtype), tag); });
            },
            py::arg("shape"), py::arg("dtype"), py::arg("tag"))
        .def(
            "calculate",
            [](const Session& self, const std::string& command, const py::sequence& tensors, std::int64_t timeout_ms) {
                const BorrowedTensors borrowed(tensors);
                return self.call(
                    [&](PythonSession& core) { return core.calculate_all(command, borrowed.views(), timeout_ms); });
            },
            py::arg("command"), py::arg("tensors"), py::arg("timeout_ms"))
        .def(
            "calculate_n",
            [](const Session& self, const std::string& command, const py::sequence& tensors, std::int64_t timeout_ms) {
                const BorrowedTensors borrowed(tensors);
                return self.call(
                    [&](PythonSession& core) { return core.calculate_n(command, borrowed.views(), timeout_ms); });
            },
            py::arg("command"), py::arg("tensors"), py::arg("timeout_ms"))
        .def(
            "stream",
            [](Session& self, const std::string& command, const py::sequence& tensors, std::int64_t timeout_ms) {
                const BorrowedTensors borrowed(tensors);
                return self.stream(command, borrowed.views(), timeout_ms);
            },
            py::arg("command"), py::arg("tensors"), py::arg("timeout_ms"));
}

}  // namespace

void register_session(py::module_& module) {
    detail::set_interrupt_check(&check_signals);
    py::class_<Session> session(module, "Session",
                                "A tr::PythonSession; limits are milliseconds, -1 for the session's default.");
    session.def(py::init(&make_session), py::kw_only(), py::arg("script"), py::arg("module"), py::arg("session_id"),
                py::arg("workspace"), py::arg("python"), py::arg("environment"), py::arg("working_directory"),
                py::arg("start_timeout_ms"), py::arg("default_timeout_ms"), py::arg("wake_up"), py::arg("log"),
                py::arg("quiet"), py::arg("keep_on_failure"), py::arg("quick_start"), py::arg("preload"),
                py::arg("restart"));
    register_life(session);
    register_requests(session);
    register_tensor_inputs(session);
}

}  // namespace tr::python
