#include "session.h"

#include <pybind11/stl.h>

#include <chrono>
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
#include "tech_renaissance/utils/tr_exception.h"
#include "tensors.h"
#include "values.h"

namespace py = pybind11;

namespace tr::python {
namespace {

template <class Arg>
using Taken = std::conditional_t<std::is_same_v<Arg, Limit>, std::int64_t, Arg>;

// A method of PythonSession as one of Session. Texts may hold bytes that are not UTF-8.
template <class Result, class... Args, class Method>
auto forwarding(Method method) {
    return [method](const Session& self, Taken<Args>... args) {
        const auto call = [&](PythonSession& session) { return (session.*method)(args...); };
        if constexpr (std::is_same_v<std::decay_t<Result>, std::string>)
            return text(self.call(call));
        else
            return self.call(call);
    };
}
template <class Result, class Self, class... Args>
auto forward(Result (Self::*method)(Args...)) {
    return forwarding<Result, Args...>(method);
}
template <class Result, class Self, class... Args>
auto forward(Result (Self::*method)(Args...) const) {
    return forwarding<Result, Args...>(method);
}

// A calculate…() of PythonSession, whose tensors may have names, as one of Session.
template <class What>
auto calculation(What what) {
    return [what](const Session& self, const std::string& command, const py::sequence& tensors,
                  const std::vector<std::string>& names, std::int64_t timeout_ms) {
        const BorrowedTensors borrowed(tensors);
        const Limit limit = timeout_ms;
        if (names.empty())
            return self.call([&](PythonSession& core) { return what(core, command, borrowed.views(), limit); });
        std::vector<NamedView> named;
        for (std::size_t i = 0; i < borrowed.views().size(); ++i) named.emplace_back(names.at(i), borrowed.views()[i]);
        return self.call([&](PythonSession& core) { return what(core, command, named, limit); });
    };
}

// Takes `callback(level, message)` into C++; what it raises is reported and goes no further.
std::function<void(LogLevel, const std::string&)> log_function(const py::object& callback) {
    if (callback.is_none()) return {};
    return [shared = with_gil(callback)](LogLevel level, const std::string& message) {
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
    result["worker_mailbox"] = stats.worker_mailbox;
    result["fallback"] = text(stats.fallback);
    result["start"] = text(stats.start);
    result["file_system"] = stats.file_system;
    result["python"] = text(stats.python);
    result["worker_pid"] = stats.worker_pid;
    result["worker_state"] = stats.worker_state;
    result["busy_ms"] = stats.busy_ms;
    result["progress"] = stats.progress;
    result["epoch"] = stats.epoch;
    result["channels"] = stats.channels;
    py::list quarantined;
    for (const auto& identity : stats.quarantined) quarantined.append(text(identity));
    result["quarantined"] = quarantined;
    result["kept"] = text(stats.kept);
    result["requests"] = stats.requests;
    result["responses"] = stats.responses;
    result["failures"] = stats.failures;
    result["bytes_sent"] = stats.bytes_sent;
    result["bytes_received"] = stats.bytes_received;
    result["bytes_held"] = stats.bytes_held;
    result["last_round_trip_us"] = stats.last_round_trip_us;
    result["batches"] = batches_dict(stats.batches);
    return result;
}

// The fields of RestartPolicy, in their order.
using PolicyFields = std::tuple<int, std::int64_t, std::int64_t, std::vector<std::string>, int>;

// Takes `callback(event)` into C++, the event as a dict.
std::function<void(const SessionEvent&)> observer_function(const py::object& callback) {
    if (callback.is_none()) return {};
    return [shared = with_gil(callback)](const SessionEvent& event) {
        const py::gil_scoped_acquire gil;
        try {
            py::dict fields;
            fields["kind"] = to_string(event.kind);
            fields["time"] = std::chrono::duration<double>(event.time.time_since_epoch()).count();
            fields["session_id"] = std::string(event.session_id);
            fields["epoch"] = event.epoch;
            fields["worker_pid"] = event.worker_pid;
            fields["request_id"] = event.request_id;
            fields["command"] = text(std::string(event.command));
            fields["bytes"] = event.bytes;
            fields["duration_us"] = event.duration_us;
            fields["error"] = text(std::string(event.error));
            (*shared)(fields);
        } catch (py::error_already_set& error) {
            error.discard_as_unraisable("the observer of a PythonSession");
        }
    };
}

SessionOptions make_options(const std::string& script, const std::string& module,
                            const std::vector<std::string>& arguments, const std::string& session_id,
                            const std::string& workspace, const std::string& python,
                            const std::map<std::string, std::string>& environment,
                            const std::vector<std::string>& removed_environment,
                            const std::vector<std::string>& launcher, const std::vector<std::string>& python_arguments,
                            int debug_port, const std::string& working_directory, std::int64_t start_timeout_ms,
                            std::int64_t default_timeout_ms, const std::string& wake_up, std::int64_t busy_wait_us,
                            const py::object& log, bool quiet, bool keep_on_failure, bool quick_start,
                            const std::vector<std::string>& preload, int max_ongoing_requests,
                            const PolicyFields& restart, const py::object& observer) {
    SessionOptions options;
    options.script = script;
    options.module = module;
    options.arguments = arguments;
    options.session_id = session_id;
    options.workspace = workspace;
    options.python = python;
    options.environment = environment;
    options.removed_environment = removed_environment;
    options.launcher = launcher;
    options.python_arguments = python_arguments;
    options.debug_port = debug_port;
    options.working_directory = working_directory;
    options.start_timeout_ms = start_timeout_ms;
    options.default_timeout_ms = default_timeout_ms;
    options.wake_up = wake_up_from_string(wake_up);
    options.busy_wait_us = busy_wait_us;
    options.log = log_function(log);
    options.quiet = quiet;
    options.keep_on_failure = keep_on_failure;
    options.quick_start = quick_start;
    options.preload = preload;
    auto& policy = options.restart;
    std::tie(policy.attempts, policy.backoff_ms, policy.max_backoff_ms, policy.idempotent, policy.quarantine_after) =
        restart;
    options.max_ongoing_requests = max_ongoing_requests;
    options.observer = observer_function(observer);
    return options;
}

// A function whose keyword arguments are the options.
template <class Make>
void define_with_options(Make make) {
    make(py::kw_only(), py::arg("script"), py::arg("module"), py::arg("arguments"), py::arg("session_id"),
         py::arg("workspace"), py::arg("python"), py::arg("environment"), py::arg("removed_environment"),
         py::arg("launcher"), py::arg("python_arguments"), py::arg("debug_port"), py::arg("working_directory"),
         py::arg("start_timeout_ms"), py::arg("default_timeout_ms"), py::arg("wake_up"), py::arg("busy_wait_us"),
         py::arg("log"), py::arg("quiet"), py::arg("keep_on_failure"), py::arg("quick_start"), py::arg("preload"),
         py::arg("max_ongoing_requests"), py::arg("restart"), py::arg("observer"));
}

template <class... Fields>
std::unique_ptr<Session> start_own(const Fields&... fields) {
    return std::make_unique<Session>(make_options(fields...));
}

template <class... Fields>
std::unique_ptr<Session> attach(const Fields&... fields) {
    SessionOptions options = make_options(fields...);
    const std::string id = options.session_id;
    const NoGil no_gil;
    auto session = PythonSession::connect(id, std::move(options));
    const py::gil_scoped_acquire gil;
    return std::make_unique<Session>(std::move(session));
}

// The type of a function, for the templates above.
template <class Result, class... Fields>
auto start_own_of(Result (*)(Fields...)) {
    return [](Fields... fields) { return start_own<std::decay_t<Fields>...>(fields...); };
}
template <class Result, class... Fields>
auto attach_of(Result (*)(Fields...)) {
    return [](Fields... fields) { return attach<std::decay_t<Fields>...>(fields...); };
}

py::list list_sessions(const std::string& workspace) {
    std::vector<SessionInfo> found;
    {
        const NoGil no_gil;
        found = PythonSession::list(workspace);
    }
    py::list all;
    for (const auto& info : found)
        all.append(py::dict(py::arg("session_id") = info.session_id, py::arg("directory") = text(info.directory),
                            py::arg("owner_pid") = info.owner_pid, py::arg("worker_pid") = info.worker_pid,
                            py::arg("server") = info.server, py::arg("commands") = info.commands,
                            py::arg("takes_clients") = info.takes_clients));
    return all;
}

using Sessions = std::vector<std::shared_ptr<PythonSession>>;

Sessions hold_all(const std::vector<const Session*>& sessions) {
    Sessions held;
    for (const Session* session : sessions) held.push_back(session->hold());
    return held;
}

std::vector<PythonSession*> pointers_to(const Sessions& held) {
    std::vector<PythonSession*> pointers;
    for (const auto& session : held) pointers.push_back(session.get());
    return pointers;
}

py::dict health_dict(const Session& self) {
    const WorkerHealth health = self.call([](const PythonSession& session) { return session.probe(); });
    return py::dict(py::arg("state") = health.state, py::arg("busy_ms") = health.busy_ms,
                    py::arg("progress") = text(health.progress));
}

void register_life(py::class_<Session>& session) {
    session.def("start", forward(py::overload_cast<>(&PythonSession::start)))
        .def("is_alive", forward(&PythonSession::is_alive))
        .def("is_ready", forward(&PythonSession::is_ready))
        .def("is_busy", forward(&PythonSession::is_busy))
        .def("progress", forward(&PythonSession::progress))
        .def("event_fd", forward(&PythonSession::event_fd))
        .def("wait_until_ready", forward(&PythonSession::wait_until_ready), py::arg("timeout_ms"))
        .def("wait_until_ok", forward(&PythonSession::wait_until_ok), py::arg("timeout_ms"))
        .def("please_exit", forward(&PythonSession::please_exit), py::arg("timeout_ms"), py::arg("ensure"))
        .def("terminate", forward(&PythonSession::terminate))
        .def("join", forward(&PythonSession::join))
        .def("restart", forward(&PythonSession::restart), py::arg("timeout_ms"))
        .def("clear_quarantine", forward(&PythonSession::clear_quarantine))
        .def(
            "hand_over",
            [](const Session& self, const std::string& remedy) {
                self.call([&](const PythonSession& one) { detail::Deaths::hand_over(one, remedy); });
            },
            py::arg("remedy"))
        .def(
            "interruption",
            [](const Session& self) {
                return std::make_unique<Interruption>(
                    [&self] { self.call([](const PythonSession& one) { detail::Waits::wake(one); }); });
            },
            py::keep_alive<0, 1>())
        .def("end_streams", &Session::end_streams)
        .def("close", &Session::close)
        .def("session_dir",
             [](const Session& self) {
                 return text(self.call([](const PythonSession& core) { return core.session_dir(); }));
             })
        .def("session_id", forward(&PythonSession::session_id))
        .def("log_tail", forward(&PythonSession::log_tail), py::arg("max_bytes"))
        .def("set_quiet_mode", forward(&PythonSession::set_quiet_mode), py::arg("quiet"))
        .def("stats", &stats_dict)
        .def("probe", &health_dict)
        .def("health", forward(&PythonSession::health), py::arg("timeout_ms"));
}

void register_requests(py::class_<Session>& session) {
    session
        .def(
            "send_request",
            [](const Session& self, const std::string& message) {
                const auto held = self.hold();
                return Sent(held, self.call([&](PythonSession& core) { return core.send_request(message); }));
            },
            py::arg("message"))
        .def("new_response", forward(&PythonSession::new_response))
        .def("read_response", forward(&PythonSession::read_response))
        .def("wait_for_response", forward(&PythonSession::wait_for_response), py::arg("timeout_ms"))
        .def("fetch_response", forward(&PythonSession::fetch_response), py::arg("message"), py::arg("timeout_ms"))
        .def("wait_for_tensor", forward(&PythonSession::wait_for_tensor), py::arg("timeout_ms"))
        .def("wait_for_tensors", forward(&PythonSession::wait_for_tensors), py::arg("timeout_ms"))
        .def("fetch_tensor", forward(&PythonSession::fetch_tensor), py::arg("message"), py::arg("timeout_ms"));
}

// A method of SentRequest as one of Sent.
template <class Result, class... Args>
auto forward_sent(Result (SentRequest::*method)(Args...) const) {
    return [method](const Sent& self, Taken<Args>... args) {
        auto result = self.call([&](PythonSession&, const SentRequest& request) { return (request.*method)(args...); });
        if constexpr (std::is_same_v<Result, std::string>)
            return text(result);
        else
            return result;
    };
}

void register_sent(py::module_& module) {
    py::class_<Sent>(module, "SentRequest", "A tr::SentRequest.")
        .def("new_response", forward_sent(&SentRequest::new_response))
        .def("read_response", forward_sent(&SentRequest::read_response))
        .def("wait_for_response", forward_sent(&SentRequest::wait_for_response), py::arg("timeout_ms"))
        .def("wait_for_tensor", forward_sent(&SentRequest::wait_for_tensor), py::arg("timeout_ms"))
        .def("wait_for_tensors", forward_sent(&SentRequest::wait_for_tensors), py::arg("timeout_ms"));
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
        .def("calculate",
             calculation([](const PythonSession& core, const auto&... given) { return core.calculate(given...); }),
             py::arg("command"), py::arg("tensors"), py::arg("names"), py::arg("timeout_ms"))
        .def("calculate_many",
             calculation([](const PythonSession& core, const auto&... given) { return core.calculate_many(given...); }),
             py::arg("command"), py::arg("tensors"), py::arg("names"), py::arg("timeout_ms"))
        .def("calculate_named", calculation([](const PythonSession& core, const auto&... given) {
                 return core.calculate_named(given...);
             }),
             py::arg("command"), py::arg("tensors"), py::arg("names"), py::arg("timeout_ms"))
        .def(
            "stream",
            [](Session& self, const std::string& command, const py::sequence& tensors, std::int64_t timeout_ms) {
                const BorrowedTensors borrowed(tensors);
                return self.stream(
                    [&](PythonSession& core) { return core.stream(command, borrowed.views(), timeout_ms); });
            },
            py::arg("command"), py::arg("tensors"), py::arg("timeout_ms"));
}

}  // namespace

void register_session(py::module_& module) {
    detail::set_interrupt_check(&check_signals);
    py::class_<Session> session(module, "Session",
                                "A tr::PythonSession; limits are milliseconds, -1 for the session's default.");
    py::class_<SessionOptions> options(module, "Options", "tr::SessionOptions, for a pool.");
    define_with_options([&](auto... arguments) {
        options.def(py::init(&make_options), arguments...);
        session.def(py::init(start_own_of(&make_options)), arguments...);
        session.def_static("connect", attach_of(&make_options), arguments...);
    });
    module.def("list_sessions", &list_sessions, py::arg("workspace"));
    register_sent(module);
    module.def(
        "start_all",
        [](const std::vector<const Session*>& sessions, std::int64_t timeout_ms) {
            const Sessions held = hold_all(sessions);
            const NoGil no_gil;
            start_all(pointers_to(held), timeout_ms);
        },
        py::arg("sessions"), py::arg("timeout_ms"));
    module.def(
        "stop_all",
        [](const std::vector<const Session*>& sessions) {
            const Sessions held = hold_all(sessions);
            const NoGil no_gil;
            stop_all(pointers_to(held));
        },
        py::arg("sessions"));
    register_life(session);
    register_requests(session);
    register_tensor_inputs(session);
}

}  // namespace tr::python
