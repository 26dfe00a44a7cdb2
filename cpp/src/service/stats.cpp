// What a pool tells of itself.
#include <utility>
#include <vector>

#include "service/pool_core.h"

namespace tr::service {
namespace {

std::string name_of(const Slot& slot) {
    switch (slot.state) {
        case Slot::State::starting:
            return "starting";
        case Slot::State::serving:
            return slot.in_flight > 0 ? "busy" : "ready";
        case Slot::State::leaving:
            return "leaving";
        case Slot::State::failed:
            return "failed";
        case Slot::State::stopped:
            break;
    }
    return "stopped";
}

std::string text_of(const std::exception_ptr& error) {
    if (!error) return {};
    try {
        std::rethrow_exception(error);
    } catch (const std::exception& known) {
        return known.what();
    } catch (...) {
        return "unknown";
    }
}

/// With the mutex of the pool.
PoolWorkerStats counts_of(const Slot& slot) {
    PoolWorkerStats stats;
    stats.number = slot.number;
    stats.state = name_of(slot);
    stats.in_flight = slot.in_flight;
    stats.calls = slot.calls;
    stats.failures = slot.failures;
    stats.restarts = slot.restarts;
    stats.threads = slot.share.threads;
    stats.gpus = slot.share.gpus;
    stats.error = text_of(slot.error);
    return stats;
}

}  // namespace

PoolStats PoolCore::stats() const {
    check_process();
    PoolStats stats;
    std::vector<std::shared_ptr<Slot>> slots;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        slots = slots_;
        for (const auto& slot : slots) stats.workers.push_back(counts_of(*slot));
        stats.queued = static_cast<int>(line_.queued());
        stats.longest_queue = static_cast<int>(line_.longest());
        stats.waiting_for_place = static_cast<int>(line_.at_gate());
        stats.calls = calls_gone_;
        stats.failures = failures_gone_;
        stats.restarts = restarts_gone_;
        stats.repeated = repeated_;
        stats.refused = refused_;
        stats.mean_call_us = mean_us_;
    }
    if (quarantine_) stats.quarantined = quarantine_->refused();
    for (std::size_t i = 0; i < slots.size(); ++i) {
        auto& worker = stats.workers[i];
        const SessionStats known = slots[i]->session.stats();
        worker.session_id = slots[i]->session.session_id();
        worker.pid = known.worker_pid;
        worker.epoch = known.epoch;
        for (const auto& [endpoint, batches] : known.batches) stats.batches[endpoint] += batches;
        stats.in_flight += worker.in_flight;
        stats.calls += worker.calls;
        stats.failures += worker.failures;
        stats.restarts += worker.restarts;
    }
    return stats;
}

std::size_t PoolCore::look_ahead() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return capacity() + slots_.size();
}

}  // namespace tr::service
