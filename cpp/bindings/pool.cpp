// Pools, and the results of one command on many inputs.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "calls.h"
#include "endpoints.h"
#include "session.h"
#include "signals.h"
#include "stream.h"
#include "tech_renaissance/service/pool.h"
#include "tech_renaissance/utils/tr_exception.h"
#include "tensors.h"
#include "values.h"

namespace py = pybind11;

namespace tr::python {
namespace {

using Key = std::optional<std::string>;

/// A pool as Python holds it; as Session, it is only ever touched without the GIL.
class PoolHandle {
  public:
    explicit PoolHandle(PoolOptions options) : pool_(new Pool(std::move(options)), &destroy) {}

    std::shared_ptr<Pool> hold() const {
        if (!pool_) throw InputError("The pool has been closed; make a new Pool");
        return pool_;
    }
    template <class Use>
    auto call(Use use) const {
        const auto pool = hold();
        const NoGil no_gil;
        return use(*pool);
    }
    /// The same with what stands for the pool with a key or a priority.
    template <class Use>
    auto call(const Key& key, int priority, Use use) const {
        return call([&](const Pool& pool) {
            if (!key && priority == 0) return use(static_cast<const PoolCalls&>(pool));
            const PoolCalls calls = pool.with_priority(priority);
            return use(key ? calls.by_key(*key) : calls);
        });
    }

    /// What `begin(calls)` gives.
    template <class Begin>
    std::shared_ptr<Stream> stream(const Key& key, int priority, Begin begin) {
        const std::shared_ptr<Pool> pool = pool_;
        auto stream = std::make_shared<Stream>(pool, call(key, priority, begin));
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
        const std::shared_ptr<Pool> pool = std::exchange(pool_, nullptr);
        if (!pool) return;
        end_streams();
        const NoGil no_gil;
        const Uninterrupted here;
        try {
            pool->stop();  // ends the calls of the other threads, the last of which destroys it
        } catch (const InputError&) {
            // In a fork of the program, or on a thread of the pool, which it leaves to another one.
        }
    }

  private:
    static void destroy(Pool* pool) {
        const NoGil no_gil;
        const Uninterrupted here;
        delete pool;
    }

    std::shared_ptr<Pool> pool_;
    std::vector<std::weak_ptr<Stream>> streams_;
};

/// A PoolMap as Python holds it, with what gives its inputs: `inputs()`, exported tensors or None.
class Map {
  public:
    Map(const PoolHandle& pool, const Key& key, int priority, const std::string& command, const py::object& inputs,
        std::int64_t timeout_ms, std::size_t look_ahead)
        : pool_(pool.hold()) {
        const auto shared = with_gil(inputs);
        auto source = [shared]() -> std::optional<std::vector<Tensor>> {
            const py::gil_scoped_acquire gil;
            const py::object next = (*shared)();
            if (next.is_none()) return std::nullopt;
            std::vector<Tensor> tensors;
            for (auto& [name, tensor] : share(next, {})) tensors.push_back(std::move(tensor));
            return tensors;
        };
        MapOptions options;
        options.limit = timeout_ms;
        options.look_ahead = look_ahead;
        map_ = pool.call(key, priority, [&](const PoolCalls& calls) {
            return std::make_unique<PoolMap>(calls.map(command, PoolMap::Source(source), options));
        });
    }
    ~Map() { cancel(); }
    Map(const Map&) = delete;
    Map& operator=(const Map&) = delete;

    std::optional<Tensor> next() {
        const NoGil no_gil;
        return map_->next();
    }
    void cancel() {
        const NoGil no_gil;
        map_->cancel();
    }

  private:
    std::shared_ptr<Pool> pool_;
    std::unique_ptr<PoolMap> map_;
};

template <class What>
auto calculation(What what) {
    return [what](const PoolHandle& self, const Key& key, int priority, const std::string& command,
                  const py::sequence& tensors, const std::vector<std::string>& names, std::int64_t timeout_ms) {
        const BorrowedTensors borrowed(tensors);
        const Limit limit = timeout_ms;
        if (names.empty())
            return self.call(key, priority,
                             [&](const PoolCalls& pool) { return what(pool, command, borrowed.views(), limit); });
        std::vector<NamedView> named;
        for (std::size_t i = 0; i < borrowed.views().size(); ++i) named.emplace_back(names.at(i), borrowed.views()[i]);
        return self.call(key, priority, [&](const PoolCalls& pool) { return what(pool, command, named, limit); });
    };
}

std::unique_ptr<PoolHandle> make_pool(const SessionOptions& session, int workers, int max_queue_size,
                                      const std::string& when_full, const std::string& balance,
                                      const std::string& on_death, int max_repeats, int threads_per_worker,
                                      const std::vector<std::map<std::string, std::string>>& worker_environment,
                                      int cpu, double gpu) {
    PoolOptions options;
    options.session = session;
    options.workers = workers;
    options.max_queue_size = max_queue_size;
    options.when_full = when_full == "refuse" ? PoolOptions::WhenFull::refuse : PoolOptions::WhenFull::wait;
    options.balance = balance == "round_robin" ? PoolOptions::Balance::round_robin : PoolOptions::Balance::least_busy;
    options.on_death = on_death == "repeat" ? PoolOptions::OnDeath::repeat : PoolOptions::OnDeath::fail;
    options.max_repeats = max_repeats;
    options.threads_per_worker = threads_per_worker;
    options.worker_environment = worker_environment;
    options.resources = {cpu, gpu};
    return std::make_unique<PoolHandle>(std::move(options));
}

py::dict stats_dict(const PoolHandle& self) {
    const PoolStats stats = self.call([](const Pool& pool) { return pool.stats(); });
    py::list workers;
    for (const auto& worker : stats.workers)
        workers.append(py::dict(py::arg("number") = worker.number, py::arg("session_id") = worker.session_id,
                                py::arg("state") = worker.state, py::arg("pid") = worker.pid,
                                py::arg("in_flight") = worker.in_flight, py::arg("calls") = worker.calls,
                                py::arg("failures") = worker.failures, py::arg("restarts") = worker.restarts,
                                py::arg("epoch") = worker.epoch, py::arg("threads") = worker.threads,
                                py::arg("gpus") = worker.gpus, py::arg("error") = text(worker.error)));
    py::list quarantined;
    for (const auto& one : stats.quarantined) quarantined.append(text(one));
    return py::dict(py::arg("workers") = workers, py::arg("in_flight") = stats.in_flight,
                    py::arg("queued") = stats.queued, py::arg("longest_queue") = stats.longest_queue,
                    py::arg("waiting_for_place") = stats.waiting_for_place, py::arg("calls") = stats.calls,
                    py::arg("failures") = stats.failures, py::arg("restarts") = stats.restarts,
                    py::arg("repeated") = stats.repeated, py::arg("refused") = stats.refused,
                    py::arg("mean_call_us") = stats.mean_call_us, py::arg("batches") = batches_dict(stats.batches),
                    py::arg("quarantined") = quarantined);
}

template <class What>
void define_calculation(py::class_<PoolHandle>& pool, const char* name, What what) {
    pool.def(name, calculation(what), py::arg("key"), py::arg("priority"), py::arg("command"), py::arg("tensors"),
             py::arg("names"), py::arg("timeout_ms"));
}

void register_pool_calls(py::class_<PoolHandle>& pool) {
    define_calculation(pool, "calculate",
                       [](const PoolCalls& to, const auto&... what) { return to.calculate(what...); });
    define_calculation(pool, "calculate_many",
                       [](const PoolCalls& to, const auto&... what) { return to.calculate_many(what...); });
    define_calculation(pool, "calculate_named",
                       [](const PoolCalls& to, const auto&... what) { return to.calculate_named(what...); });
    pool.def(
            "fetch_response",
            [](const PoolHandle& self, const Key& key, int priority, const std::string& message,
               std::int64_t timeout_ms) {
                return text(self.call(
                    key, priority, [&](const PoolCalls& calls) { return calls.fetch_response(message, timeout_ms); }));
            },
            py::arg("key"), py::arg("priority"), py::arg("message"), py::arg("timeout_ms"))
        .def(
            "fetch_tensor",
            [](const PoolHandle& self, const Key& key, int priority, const std::string& message,
               std::int64_t timeout_ms) {
                return self.call(key, priority,
                                 [&](const PoolCalls& calls) { return calls.fetch_tensor(message, timeout_ms); });
            },
            py::arg("key"), py::arg("priority"), py::arg("message"), py::arg("timeout_ms"))
        .def(
            "stream",
            [](PoolHandle& self, const Key& key, int priority, const std::string& command, const py::sequence& tensors,
               std::int64_t timeout_ms) {
                const BorrowedTensors borrowed(tensors);
                return self.stream(key, priority, [&](const PoolCalls& calls) {
                    return calls.stream(command, borrowed.views(), timeout_ms);
                });
            },
            py::arg("key"), py::arg("priority"), py::arg("command"), py::arg("tensors"), py::arg("timeout_ms"))
        .def(
            "submit",
            [](const PoolHandle& self, const Key& key, int priority, const std::string& command,
               const py::sequence& tensors, const std::vector<std::string>& names, std::int64_t timeout_ms,
               bool waits) {
                const auto shared = share(tensors, names);
                return std::make_unique<Call>(self.call(key, priority, [&](const PoolCalls& calls) {
                    return waits ? calls.submit(command, shared, timeout_ms)
                                 : calls.submit_now(command, shared, timeout_ms);
                }));
            },
            py::arg("key"), py::arg("priority"), py::arg("command"), py::arg("tensors"), py::arg("names"),
            py::arg("timeout_ms"), py::arg("waits"));
}

using Arguments = detail::EndpointArguments;
using Names = std::vector<std::string>;
using Kinds = std::vector<std::uint8_t>;

py::tuple call_endpoint(const PoolHandle& self, const Key& key, int priority, const std::string& endpoint,
                        const Names& names, const py::sequence& items, const Kinds& kinds, std::int64_t timeout_ms) {
    const BorrowedTensors borrowed(tensors_in(items, kinds));
    Arguments arguments(Arguments::Keep::no);
    put_together(arguments, endpoint, names, items, kinds, borrowed.views());
    arguments.within(Limit(timeout_ms));
    return result_tuple(self.call(key, priority, [&](const PoolCalls& calls) {
        return detail::PoolEndpointCalls::call(calls, endpoint, arguments);
    }));
}

std::shared_ptr<Stream> stream_endpoint(PoolHandle& self, const Key& key, int priority, const std::string& endpoint,
                                        const Names& names, const py::sequence& items, const Kinds& kinds,
                                        std::int64_t timeout_ms) {
    const BorrowedTensors borrowed(tensors_in(items, kinds));
    Arguments arguments(Arguments::Keep::no);
    put_together(arguments, endpoint, names, items, kinds, borrowed.views());
    arguments.within(Limit(timeout_ms));
    return self.stream(key, priority, [&](const PoolCalls& calls) {
        return detail::PoolEndpointCalls::stream(calls, endpoint, arguments);
    });
}

std::unique_ptr<Call> submit_endpoint(const PoolHandle& self, const Key& key, int priority, const std::string& endpoint,
                                      const Names& names, const py::sequence& items, const Kinds& kinds,
                                      std::int64_t timeout_ms, bool waits) {
    std::vector<Tensor> shared;
    for (auto& [unused, tensor] : share(tensors_in(items, kinds), {})) shared.push_back(std::move(tensor));
    Arguments arguments(Arguments::Keep::yes);
    put_together(arguments, endpoint, names, items, kinds, shared);
    arguments.within(Limit(timeout_ms));
    return std::make_unique<Call>(self.call(key, priority, [&](const PoolCalls& calls) {
        return detail::PoolEndpointCalls::submit(calls, endpoint, std::move(arguments), waits);
    }));
}

void register_pool_endpoints(py::class_<PoolHandle>& pool) {
    pool.def("call", &call_endpoint, py::arg("key"), py::arg("priority"), py::arg("endpoint"), py::arg("names"),
             py::arg("items"), py::arg("kinds"), py::arg("timeout_ms"))
        .def("stream_endpoint", &stream_endpoint, py::arg("key"), py::arg("priority"), py::arg("endpoint"),
             py::arg("names"), py::arg("items"), py::arg("kinds"), py::arg("timeout_ms"))
        .def("submit_call", &submit_endpoint, py::arg("key"), py::arg("priority"), py::arg("endpoint"),
             py::arg("names"), py::arg("items"), py::arg("kinds"), py::arg("timeout_ms"), py::arg("waits"))
        .def("endpoints",
             [](const PoolHandle& self) { return told(self.call([](const Pool& core) { return core.endpoints(); })); });
}

}  // namespace

void register_pool(py::module_& module) {
    py::class_<PoolHandle> pool(module, "Pool", "A tr::Pool; limits are milliseconds, -1 for the session's default.");
    pool.def(py::init(&make_pool), py::arg("session"), py::kw_only(), py::arg("workers"), py::arg("max_queue_size"),
             py::arg("when_full"), py::arg("balance"), py::arg("on_death"), py::arg("max_repeats"),
             py::arg("threads_per_worker"), py::arg("worker_environment"), py::arg("cpu"), py::arg("gpu"))
        .def("start", [](const PoolHandle& self) { self.call([](Pool& core) { core.start(); }); })
        .def("stop", [](const PoolHandle& self) { self.call([](Pool& core) { core.stop(); }); })
        .def(
            "drain",
            [](const PoolHandle& self, std::int64_t limit) { self.call([&](Pool& core) { core.drain(limit); }); },
            py::arg("timeout_ms"))
        .def(
            "resize",
            [](const PoolHandle& self, int workers, std::int64_t limit) {
                self.call([&](Pool& core) { core.resize(workers, limit); });
            },
            py::arg("workers"), py::arg("timeout_ms"))
        .def(
            "reload",
            [](const PoolHandle& self, std::int64_t limit) { self.call([&](Pool& core) { core.reload(limit); }); },
            py::arg("timeout_ms"))
        .def("size", [](const PoolHandle& self) { return self.call([](const Pool& core) { return core.size(); }); })
        .def("stats", &stats_dict)
        .def("clear_quarantine", [](const PoolHandle& self) { self.call([](Pool& core) { core.clear_quarantine(); }); })
        .def(
            "interruption",
            [](const PoolHandle& self) {
                return std::make_unique<Interruption>(
                    [&self] { self.call([](const Pool& core) { detail::PoolWaits::wake(core); }); });
            },
            py::keep_alive<0, 1>())
        .def("end_streams", &PoolHandle::end_streams)
        .def("close", &PoolHandle::close);
    register_pool_calls(pool);
    register_pool_endpoints(pool);
    py::class_<Map>(module, "PoolMap", "A tr::PoolMap; `inputs` gives the exported tensors of a call, or None.")
        .def(py::init<const PoolHandle&, const Key&, int, const std::string&, const py::object&, std::int64_t,
                      std::size_t>(),
             py::arg("pool"), py::arg("key"), py::arg("priority"), py::arg("command"), py::arg("inputs"),
             py::arg("timeout_ms"), py::arg("look_ahead"))
        .def("next", &Map::next)
        .def("cancel", &Map::cancel);
}

}  // namespace tr::python
