#include "tech_renaissance/service/pool.h"

#include <thread>
#include <utility>

#include "service/pool_core.h"
#include "session/session_access.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

using service::Place;
using service::PoolCore;
using service::Wanted;

PoolOptions options_of(const std::string& script, int workers) {
    PoolOptions options;
    options.session.script = script;
    options.workers = workers;
    return options;
}

/// The same on every system, and in every run.
std::uint64_t hash_of(const std::string& key) {
    std::uint64_t hash = 0xCBF29CE484222325;  // FNV-1a
    for (const char letter : key) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3;
    return hash;
}

/// What a stream keeps until it has ended: its place in a worker, and whose that is.
struct Kept {
    std::shared_ptr<PoolCore> pool;
    Place place;
};

/// `made(session, tensors, limit)`, with names where there are any.
template <class Make>
auto with_tensors(const PythonSession& session, const detail::CallArguments& call, Limit limit, Make make) {
    const auto& tensors = call.tensors();
    const auto& names = call.names();
    if (names.empty()) return make(session, tensors, limit);
    std::vector<NamedView> named;
    for (std::size_t i = 0; i < tensors.size(); ++i) named.emplace_back(names[i], tensors[i]);
    return make(session, named, limit);
}

std::vector<NamedTensor> without_names(const std::vector<Tensor>& tensors) {
    std::vector<NamedTensor> named;
    named.reserve(tensors.size());
    for (const auto& tensor : tensors) named.emplace_back(std::string(), tensor);
    return named;
}

/// Of a call beside its caller.
auto calculation(const std::string& command, const std::vector<NamedTensor>& tensors) {
    return [command, tensors](const PythonSession& session, Limit left) {
        return session.calculate(command, tensors, left);
    };
}

using Arguments = detail::EndpointArguments;

}  // namespace

// ------------------------------------------------------------------------------------------------------------- calls

PoolCalls PoolCalls::by_key(const std::string& key) const {
    PoolCalls calls = *this;
    calls.terms_.key = hash_of(key);
    return calls;
}

PoolCalls PoolCalls::with_priority(int priority) const {
    PoolCalls calls = *this;
    calls.terms_.priority = priority;
    return calls;
}

/// All that a pool does with a session: `use(session, what is left of the limit)`, on the caller's thread.
template <class Use>
auto PoolCalls::with_worker(const std::string& what, Limit limit, Use use) const {
    Wanted wanted{what, terms_, core_->deadline_of(limit), {}};
    return core_->with_worker(wanted, [&use](Place& place, Limit left) { return use(place.slot().session, left); });
}

Tensor PoolCalls::result_of(const std::string& command, const detail::CallArguments& call) const {
    return with_worker(command, call.limit(), [&](const PythonSession& session, Limit left) {
        return with_tensors(session, call, left, [&](const auto& worker, const auto& tensors, Limit limit) {
            return worker.calculate(command, tensors, limit);
        });
    });
}

std::vector<Tensor> PoolCalls::results_of(const std::string& command, const detail::CallArguments& call) const {
    return with_worker(command, call.limit(), [&](const PythonSession& session, Limit left) {
        return with_tensors(session, call, left, [&](const auto& worker, const auto& tensors, Limit limit) {
            return worker.calculate_many(command, tensors, limit);
        });
    });
}

std::map<std::string, Tensor> PoolCalls::named_results_of(const std::string& command,
                                                          const detail::CallArguments& call) const {
    return with_worker(command, call.limit(), [&](const PythonSession& session, Limit left) {
        return with_tensors(session, call, left, [&](const auto& worker, const auto& tensors, Limit limit) {
            return worker.calculate_named(command, tensors, limit);
        });
    });
}

std::string PoolCalls::fetch_response(const std::string& message, Limit limit) const {
    return with_worker(message, limit,
                       [&](const PythonSession& session, Limit left) { return session.fetch_response(message, left); });
}

Tensor PoolCalls::fetch_tensor(const std::string& message, Limit limit) const {
    return with_worker(message, limit,
                       [&](const PythonSession& session, Limit left) { return session.fetch_tensor(message, left); });
}

/// `begin(session)`; what it gives has a place until it has ended.
template <class Begin>
TensorStream PoolCalls::stream_of(const std::string& what, Limit limit, Begin begin) const {
    Wanted wanted{what, terms_, core_->deadline_of(limit), {}};
    return core_->with_worker(wanted, [&](Place& place, Limit) {  // its limit is for each part
        auto stream = begin(place.slot().session);
        place.succeeded();
        detail::SessionAccess::keep(stream, std::make_shared<Kept>(Kept{core_, std::move(place)}));
        return stream;
    });
}

TensorStream PoolCalls::stream(const std::string& command, const std::vector<TensorView>& tensors, Limit limit) const {
    return stream_of(command, limit,
                     [&](const PythonSession& session) { return session.stream(command, tensors, limit); });
}

CallFuture PoolCalls::submit(const std::string& command, const std::vector<Tensor>& tensors, Limit limit) const {
    return submit(command, without_names(tensors), limit);
}

CallFuture PoolCalls::submit(const std::string& command, const std::vector<NamedTensor>& tensors, Limit limit) const {
    return std::move(*core_->submit<Tensor>(command, core_->deadline_of(limit), terms_, core_->options.when_full, true,
                                            calculation(command, tensors)));
}

CallFuture PoolCalls::submit_now(const std::string& command, const std::vector<NamedTensor>& tensors,
                                 Limit limit) const {
    return std::move(*core_->submit<Tensor>(command, core_->deadline_of(limit), terms_, core_->options.when_full, false,
                                            calculation(command, tensors)));
}

// --------------------------------------------------------------------------------------------------------- endpoints

using detail::EndpointCalls;

Result PoolCalls::called(const std::string& endpoint, Arguments& given) const {
    return with_worker(endpoint, given.limit(), [&](const PythonSession& session, Limit left) {
        return EndpointCalls::call(session, endpoint, given.within(left));
    });
}

ResultFuture PoolCalls::submitted(const std::string& endpoint, Arguments&& given, bool waits) const {
    const auto deadline = core_->deadline_of(given.limit());
    const auto kept = std::make_shared<Arguments>(std::move(given));  // a std::function has to be copied
    return std::move(*core_->submit<Result>(endpoint, deadline, terms_, core_->options.when_full, waits,
                                            [endpoint, kept](const PythonSession& session, Limit left) {
                                                return EndpointCalls::call(session, endpoint, kept->within(left));
                                            }));
}

TensorStream PoolCalls::streamed(const std::string& endpoint, Arguments& given) const {
    return stream_of(endpoint, given.limit(),
                     [&](const PythonSession& session) { return EndpointCalls::stream(session, endpoint, given); });
}

std::vector<Endpoint> PoolCalls::endpoints() const {
    return with_worker("endpoints()", {}, [](const PythonSession& session, Limit) { return session.endpoints(); });
}

Result detail::PoolEndpointCalls::call(const PoolCalls& pool, const std::string& endpoint, Arguments& given) {
    return pool.called(endpoint, given);
}

TensorStream detail::PoolEndpointCalls::stream(const PoolCalls& pool, const std::string& endpoint, Arguments& given) {
    return pool.streamed(endpoint, given);
}

ResultFuture detail::PoolEndpointCalls::submit(const PoolCalls& pool, const std::string& endpoint, Arguments&& given,
                                               bool waits) {
    return pool.submitted(endpoint, std::move(given), waits);
}

// -------------------------------------------------------------------------------------------------------------- pool

Pool::Pool(PoolOptions options) : PoolCalls(std::make_shared<PoolCore>(std::move(options))) {}
Pool::Pool(const std::string& script, int workers) : Pool(options_of(script, workers)) {}

Pool::~Pool() {
    if (core_->inherited()) {
        // In a fork of the program it stays as it was: threads that are not there may be using it.
        new std::shared_ptr<PoolCore>(std::move(core_));
        return;
    }
    try {
        core_->stop();
    } catch (const std::exception&) {
        // On a thread of its own, which would wait for itself.
        std::thread([core = std::move(core_)] { core->stop(); }).detach();
    }
}

void Pool::start() {
    core_->start();
}
void Pool::stop() {
    core_->stop();
}
void Pool::drain(Limit limit) {
    core_->drain(core_->deadline_of(limit));
}
void Pool::resize(int workers, Limit limit) {
    core_->resize(workers, core_->deadline_of(limit));
}
void Pool::reload(Limit limit) {
    core_->reload(core_->deadline_of(limit));
}
void Pool::clear_quarantine() {
    core_->clear_quarantine();
}
int Pool::size() const {
    return core_->size();
}
PoolStats Pool::stats() const {
    return core_->stats();
}

void detail::PoolWaits::wake(const Pool& pool) {
    pool.core_->wake_jobs();
}

}  // namespace tr
