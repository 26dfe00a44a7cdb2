#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/export.h"
#include "tech_renaissance/service/pool_map.h"
#include "tech_renaissance/service/pool_options.h"
#include "tech_renaissance/session/call_arguments.h"
#include "tech_renaissance/session/call_future.h"
#include "tech_renaissance/session/python_session.h"
#include "tech_renaissance/session/tensor_stream.h"

namespace tr {

namespace service {
class PoolCore;
}
class Pool;
class PoolCalls;
namespace detail {
/// What a call asks of the pool.
struct PoolTerms {
    std::optional<std::uint64_t> key{};  ///< hashed
    int priority = 0;
};
/// For bindings, as Waits.
struct TR_API PoolWaits {
    static void wake(const Pool& pool);
};
/// For bindings, as EndpointCalls.
struct TR_API PoolEndpointCalls {
    static Result call(const PoolCalls& pool, const std::string& endpoint, EndpointArguments& given);
    static TensorStream stream(const PoolCalls& pool, const std::string& endpoint, EndpointArguments& given);
    static ResultFuture submit(const PoolCalls& pool, const std::string& endpoint, EndpointArguments&& given,
                               bool waits);
};
}  // namespace detail

/// The calls of a pool: those of a PythonSession that are a whole turn, made on the caller's thread in the worker that
/// is least busy. By itself it stands for a pool with a key or a priority, and is a value: copy it, keep it, any
/// thread. When its pool has been stopped or has gone, its calls are an InputError; a pool must not go during a call.
///
/// Limits are as for PythonSession, and count the wait for a worker. What goes wrong is told as a session tells it, and
///
/// - OverloadedError: the queue is full, and the pool is to refuse then;
/// - RestartError: the worker died at work on the call, which was not to be repeated, or has been often enough; or no
///   worker is left, with why the last one could not be started;
/// - TimeoutError: also when the limit passed before a worker was free;
/// - RetryError (E4002): the pool was stopped before the call's turn came; (E3002): it has been drained.
class TR_API PoolCalls {
  public:
    /// The same pool: calls with one key go to the same worker, for as long as that serves, and others to others: for
    /// what a worker keeps between calls. While it is dead, or when workers have come or gone, another one gets them.
    PoolCalls by_key(const std::string& key) const;
    /// The same pool: of the calls that wait, those of a higher priority come first; 0 where nothing is said. Among
    /// equals the one that came first.
    PoolCalls with_priority(int priority) const;

    /// As PythonSession::call().
    template <class... Args>
    Result call(const std::string& endpoint, const Args&... args) const {
        return called(endpoint, given().take(args...));
    }
    template <class L = Limit>
    Result call(const std::string& endpoint, std::initializer_list<NamedArgument> named, const L& limit = {}) const {
        return called(endpoint, given().take_named(named).within(limit));
    }
    template <class A, class L = Limit>
    Result call(const std::string& endpoint, const A& first, std::initializer_list<NamedArgument> named,
                const L& limit = {}) const {
        return called(endpoint, given().take(first).take_named(named).within(limit));
    }
    template <class A, class B, class L = Limit>
    Result call(const std::string& endpoint, const A& first, const B& second,
                std::initializer_list<NamedArgument> named, const L& limit = {}) const {
        return called(endpoint, given().take(first, second).take_named(named).within(limit));
    }
    /// call() beside the caller, as submit().
    template <class... Args>
    ResultFuture submit_call(const std::string& endpoint, const Args&... args) const {
        return submitted(endpoint, std::move(kept().take(args...)), true);
    }
    template <class L = Limit>
    ResultFuture submit_call(const std::string& endpoint, std::initializer_list<NamedArgument> named,
                             const L& limit = {}) const {
        return submitted(endpoint, std::move(kept().take_named(named).within(limit)), true);
    }
    template <class A, class L = Limit>
    ResultFuture submit_call(const std::string& endpoint, const A& first, std::initializer_list<NamedArgument> named,
                             const L& limit = {}) const {
        return submitted(endpoint, std::move(kept().take(first).take_named(named).within(limit)), true);
    }
    /// What the server offers; asks one of the workers.
    std::vector<Endpoint> endpoints() const;
    template <class... Args>
    Tensor calculate(const std::string& command, const Args&... args) const {
        return result_of(command, detail::CallArguments(args...));
    }
    Tensor calculate(const std::string& command, const std::vector<TensorView>& tensors, Limit limit = {}) const {
        return result_of(command, detail::CallArguments(tensors, limit));
    }
    Tensor calculate(const std::string& command, std::initializer_list<NamedView> tensors, Limit limit = {}) const {
        return result_of(command, detail::CallArguments(std::vector<NamedView>(tensors), limit));
    }
    template <class... Args>
    std::vector<Tensor> calculate_many(const std::string& command, const Args&... args) const {
        return results_of(command, detail::CallArguments(args...));
    }
    std::vector<Tensor> calculate_many(const std::string& command, const std::vector<TensorView>& tensors,
                                       Limit limit = {}) const {
        return results_of(command, detail::CallArguments(tensors, limit));
    }
    std::vector<Tensor> calculate_many(const std::string& command, std::initializer_list<NamedView> tensors,
                                       Limit limit = {}) const {
        return results_of(command, detail::CallArguments(std::vector<NamedView>(tensors), limit));
    }
    template <class... Args>
    std::map<std::string, Tensor> calculate_named(const std::string& command, const Args&... args) const {
        return named_results_of(command, detail::CallArguments(args...));
    }
    std::map<std::string, Tensor> calculate_named(const std::string& command, const std::vector<TensorView>& tensors,
                                                  Limit limit = {}) const {
        return named_results_of(command, detail::CallArguments(tensors, limit));
    }
    std::map<std::string, Tensor> calculate_named(const std::string& command, std::initializer_list<NamedView> tensors,
                                                  Limit limit = {}) const {
        return named_results_of(command, detail::CallArguments(std::vector<NamedView>(tensors), limit));
    }
    std::string fetch_response(const std::string& message, Limit limit = {}) const;
    Tensor fetch_tensor(const std::string& message, Limit limit = {}) const;
    /// As PythonSession::stream(). The stream has one of its worker's places until it has ended or is destroyed; it may
    /// outlive the pool, whose end ends it.
    TensorStream stream(const std::string& command, const std::vector<TensorView>& tensors = {},
                        Limit limit = {}) const;
    TensorStream stream(const std::string& endpoint, std::initializer_list<NamedArgument> named,
                        Limit limit = {}) const {
        return streamed(endpoint, given().take_named(named).within(limit));
    }
    TensorStream stream(const std::string& endpoint, const std::vector<NamedArgument>& named, Limit limit = {}) const {
        return streamed(endpoint, given().take_named(named).within(limit));
    }

    /// calculate() beside the caller: a future. The call is in the queue like any other, until a worker is free; then a
    /// thread of the pool makes it, of which there are as many as calls can be at work. cancel() of the future frees
    /// its place in the queue, or has its worker told. The tensors are shared, not copied. Where the queue is full, and
    /// the pool is to wait, this waits for a place.
    CallFuture submit(const std::string& command, const std::vector<Tensor>& tensors, Limit limit = {}) const;
    CallFuture submit(const std::string& command, const std::vector<NamedTensor>& tensors, Limit limit = {}) const;
    CallFuture submit(const std::string& command, std::initializer_list<NamedTensor> tensors, Limit limit = {}) const {
        return submit(command, std::vector<NamedTensor>(tensors), limit);
    }
    /// The same, and never waits: where the queue is full, and the pool is to wait, the call waits for its place by
    /// itself. For event loops, which have to see to it themselves that there are not too many.
    CallFuture submit_now(const std::string& command, const std::vector<NamedTensor>& tensors, Limit limit = {}) const;
    /// The results of one command on many inputs, one tensor each, in the order of these; see PoolMap.
    ///
    ///     for (const tr::Tensor& y : pool.map("torch.relu", images)) ...
    PoolMap map(const std::string& command, std::vector<Tensor> inputs, MapOptions options = {}) const;
    /// The same for inputs that are read as they are needed, on the thread that reads the results.
    PoolMap map(const std::string& command, PoolMap::Source inputs, MapOptions options = {}) const;

  protected:
    explicit PoolCalls(std::shared_ptr<service::PoolCore> core) : core_(std::move(core)) {}

    std::shared_ptr<service::PoolCore> core_;

  private:
    friend struct detail::PoolEndpointCalls;
    template <class Use>
    auto with_worker(const std::string& what, Limit limit, Use use) const;
    template <class Begin>
    TensorStream stream_of(const std::string& what, Limit limit, Begin begin) const;
    static detail::EndpointArguments given() { return detail::EndpointArguments(detail::EndpointArguments::Keep::no); }
    static detail::EndpointArguments kept() { return detail::EndpointArguments(detail::EndpointArguments::Keep::yes); }
    Result called(const std::string& endpoint, detail::EndpointArguments& given) const;
    TensorStream streamed(const std::string& endpoint, detail::EndpointArguments& given) const;
    ResultFuture submitted(const std::string& endpoint, detail::EndpointArguments&& given, bool waits) const;
    Tensor result_of(const std::string& command, const detail::CallArguments& call) const;
    std::vector<Tensor> results_of(const std::string& command, const detail::CallArguments& call) const;
    std::map<std::string, Tensor> named_results_of(const std::string& command, const detail::CallArguments& call) const;

    detail::PoolTerms terms_{};
};

/// Several workers of one server behind one call.
///
///     tr::PoolOptions options;
///     options.session.script = "server.py";
///     options.workers = 4;
///     tr::Pool pool(options);
///     pool.start();
///     tr::Tensor y = pool.calculate("blur", x);  // from any number of threads
///
/// A worker that dies is replaced in the background, while the others go on. Every method may be called from any
/// thread. A fork of the program has no part in it. The destructor stops all workers side by side.
class TR_API Pool : public PoolCalls {
  public:
    /// @throws InputError when an option holds what it cannot
    explicit Pool(PoolOptions options);
    /// `workers` of the default server, or of a script.
    explicit Pool(const std::string& script = "default", int workers = 2);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    /// Starts all workers side by side, and returns when all are ready. In a pool that runs, or has been drained: lets
    /// calls in again, and starts those that have left. Calls that come meanwhile wait.
    /// @throws the first error of one; unless the pool was running, the others are stopped then
    void start();
    /// Stops all workers side by side: those that are idle are asked to exit, calls at work end with a RestartError,
    /// those that wait with a RetryError (E4002). To let them end, drain() first. It may be started again.
    void stop();
    /// Lets no more calls in: a RetryError (E3002). Returns when all that there were have ended.
    /// @throws TimeoutError when that takes longer; none is let in all the same
    void drain(Limit limit = 0);
    /// To this number of workers. More are started, and this returns when they are ready; those that are too many
    /// finish what is at work, and are stopped.
    /// @throws the first error of one that could not be started, which is not among them then; TimeoutError, and those
    ///         that are too many go when they have finished
    void resize(int workers, Limit limit = 0);
    /// Gives each worker a new process, one after the other, each when it has finished what is at work; the others
    /// serve meanwhile.
    /// @throws why one could not be started; the others are left as they are
    void reload(Limit limit = 0);

    /// Lets calls through again that `session.restart.quarantine_after` keeps from the workers.
    void clear_quarantine();

    /// Of workers, as things stand.
    int size() const;
    PoolStats stats() const;

  private:
    friend struct detail::PoolWaits;
};

}  // namespace tr
