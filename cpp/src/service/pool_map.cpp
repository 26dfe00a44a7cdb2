#include "tech_renaissance/service/pool_map.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <exception>
#include <future>
#include <utility>

#include "platform/interrupt.h"
#include "service/pool_core.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

void wait_until_ready(const CallFuture& call) {
    constexpr std::chrono::milliseconds kStep(200);  // a signal does not end the wait
    while (call.wait_for(kStep) != std::future_status::ready) detail::check_interrupt();
}

}  // namespace

/// What a map is at work on. Its thread's alone.
struct PoolMap::State {
    std::shared_ptr<service::PoolCore> pool;
    detail::PoolTerms terms;
    std::string command;
    Source inputs;
    MapOptions options;
    std::size_t size = 0;
    std::size_t ahead = 0;
    std::deque<CallFuture> calls{};                  ///< in the order of their inputs
    std::optional<std::vector<NamedTensor>> held{};  ///< an input that found no place in the queue
    std::exception_ptr error{};                      ///< behind `calls`, of what could not be called
    bool ended = false;                              ///< there are no more inputs
    std::size_t done = 0;

    void read_input();
    void fill();
};

void PoolMap::State::read_input() {
    try {
        auto next = inputs();
        if (!next) {
            ended = true;
            return;
        }
        held.emplace();
        for (auto& tensor : *next) held->emplace_back(std::string(), std::move(tensor));
    } catch (...) {
        error = std::current_exception();
        ended = true;
    }
}

/// As many calls as there may be. A full queue is waited for, but not while there is a result to be waited for instead.
void PoolMap::State::fill() {
    while (calls.size() < ahead) {
        if (!held && !ended) read_input();
        if (!held) return;
        const auto when_full =
            calls.empty() ? std::optional(PoolOptions::WhenFull::wait) : std::optional<PoolOptions::WhenFull>();
        try {
            auto call =
                pool->submit<Tensor>(command, pool->deadline_of(options.limit), terms, when_full, true,
                                     [command = command, tensors = *held](const PythonSession& session, Limit left) {
                                         return session.calculate(command, tensors, left);
                                     });
            if (!call) return;
            calls.push_back(std::move(*call));
        } catch (...) {
            error = std::current_exception();
            ended = true;
        }
        held.reset();
    }
}

PoolMap::PoolMap(std::unique_ptr<State> state) : state_(std::move(state)) {}
PoolMap::PoolMap(PoolMap&&) noexcept = default;
PoolMap& PoolMap::operator=(PoolMap&& other) noexcept {
    if (this != &other) cancel();
    state_ = std::move(other.state_);
    return *this;
}
PoolMap::~PoolMap() {
    cancel();
}

void PoolMap::cancel() {
    const auto state = std::move(state_);
    if (!state || state->pool->inherited()) return;
    for (const auto& call : state->calls) call.cancel();
}

std::size_t PoolMap::size() const {
    return state_ ? state_->size : 0;
}

std::optional<Tensor> PoolMap::next() {
    if (!state_) return std::nullopt;
    try {
        state_->fill();
        if (state_->calls.empty()) {
            if (state_->error) std::rethrow_exception(state_->error);
            state_.reset();
            return std::nullopt;
        }
        wait_until_ready(state_->calls.front());
        Tensor result = state_->calls.front().get();
        state_->calls.pop_front();
        ++state_->done;
        state_->fill();
        if (state_->options.progress) state_->options.progress(state_->done, state_->size);
        return result;
    } catch (...) {
        cancel();
        throw;
    }
}

std::vector<Tensor> PoolMap::collect() {
    std::vector<Tensor> results;
    if (state_) results.reserve(state_->size - std::min(state_->size, state_->done));
    while (auto result = next()) results.push_back(std::move(*result));
    return results;
}

PoolMap PoolCalls::map(const std::string& command, PoolMap::Source inputs, MapOptions options) const {
    core_->check_process();
    auto state = std::make_unique<PoolMap::State>();
    state->pool = core_;
    state->terms = terms_;
    state->command = command;
    state->inputs = std::move(inputs);
    state->ahead = options.look_ahead > 0 ? options.look_ahead : core_->look_ahead();
    state->options = std::move(options);
    return PoolMap(std::move(state));
}

PoolMap PoolCalls::map(const std::string& command, std::vector<Tensor> inputs, MapOptions options) const {
    const auto size = inputs.size();
    auto source = [all = std::move(inputs), next = std::size_t{0}]() mutable -> std::optional<std::vector<Tensor>> {
        if (next == all.size()) return std::nullopt;
        return std::vector<Tensor>{std::move(all[next++])};
    };
    PoolMap made = map(command, PoolMap::Source(std::move(source)), std::move(options));
    made.state_->size = size;
    return made;
}

}  // namespace tr
