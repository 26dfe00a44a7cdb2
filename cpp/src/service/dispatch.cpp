// Which worker gets which call.
#include <algorithm>
#include <cmath>
#include <utility>

#include "service/pool_core.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::service {
namespace {

/// Which of several has the highest: so that with one more, or one less, few keys move.
std::uint64_t mixed(std::uint64_t key, int number) {
    constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;
    std::uint64_t x = key ^ (static_cast<std::uint64_t>(number) + 1) * kGolden;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

}  // namespace

/// A worker with a place for it; none: it has to wait.
std::shared_ptr<Slot> PoolCore::choose(const detail::PoolTerms& terms) {
    const auto has_place = [](const Slot& slot) {
        return slot.state == Slot::State::serving && slot.in_flight < slot.most;
    };
    const std::shared_ptr<Slot>* best = nullptr;
    if (terms.key) {
        for (const auto& slot : slots_)
            if (slot->state == Slot::State::serving &&
                (best == nullptr || mixed(*terms.key, slot->number) > mixed(*terms.key, (*best)->number)))
                best = &slot;
        return best != nullptr && has_place(**best) ? *best : nullptr;
    }
    const bool in_turn = options.balance == PoolOptions::Balance::round_robin;
    const auto better = [in_turn](const Slot& one, const Slot& other) {
        if (one.lingers != other.lingers) return other.lingers;
        return !in_turn && one.in_flight < other.in_flight;
    };
    std::size_t found = 0;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        const auto at = in_turn ? (next_ + i) % slots_.size() : i;
        const auto& slot = slots_[at];
        if (!has_place(*slot) || (best != nullptr && !better(*slot, **best))) continue;
        best = &slot;
        found = at;
    }
    if (best == nullptr) return nullptr;
    next_ = found + 1;
    return *best;
}

bool PoolCore::any_free() const {
    return std::any_of(slots_.begin(), slots_.end(), [](const auto& slot) {
        return slot->state == Slot::State::serving && slot->in_flight < slot->most;
    });
}

/// Gives the places that there are to those who wait.
void PoolCore::dispatch() {
    while (!line_.is_empty() && any_free()) {
        std::shared_ptr<Slot> slot;
        const auto next = line_.find([&](const Waiter& waiter) { return (slot = choose(waiter.terms)) != nullptr; });
        if (!next) return;
        give(next, std::move(slot));
    }
}

void PoolCore::give(const std::shared_ptr<Waiter>& waiter, std::shared_ptr<Slot> slot) {
    line_.leave(waiter);
    ++slot->in_flight;
    waiter->generation = slot->generation;
    waiter->slot = std::move(slot);
    waiter->state = Waiter::State::given;
    waiter->changed.notify_one();
    if (!waiter->call) return;
    jobs_.push_back(waiter);
    require_thread();
    jobs_changed_.notify_one();
}

/// Those who wait, whose call is not to be made.
void PoolCore::refuse_all(const std::exception_ptr& reason) {
    while (const auto waiter = line_.find_any([](const Waiter&) { return true; })) {
        line_.leave(waiter);
        waiter->state = Waiter::State::refused;
        waiter->refusal = reason;
        waiter->changed.notify_one();
        if (waiter->call) jobs_.push_back(waiter);
    }
    jobs_changed_.notify_all();
}

/// There is a worker, or one to come.
bool PoolCore::any_hope() const {
    return std::any_of(slots_.begin(), slots_.end(), [](const auto& slot) {
        return slot->state != Slot::State::failed && slot->state != Slot::State::stopped && !slot->retires;
    });
}

void PoolCore::refuse_if_none_left() {
    if (!line_.is_empty() && !any_hope()) refuse_all(none_left());
}

std::exception_ptr PoolCore::none_left() const {
    std::string why = "unknown";
    for (const auto& slot : slots_) {
        if (!slot->error) continue;
        try {
            std::rethrow_exception(slot->error);
        } catch (const std::exception& error) {
            why = error.what();
        } catch (...) {
        }
    }
    return std::make_exception_ptr(
        RestartError("the pool has no worker left, as none could be started any more; the call was not made: mend the "
                     "server, then start() starts them again; the last error: " +
                         why,
                     ErrorCode::server_error, true));
}

/// No call is at work, and none waits.
bool PoolCore::is_quiet() const {
    return line_.is_empty() && jobs_.empty() && jobs_at_work_ == 0 &&
           std::all_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot->in_flight == 0; });
}

std::int64_t PoolCore::retry_after_ms() const {
    constexpr double kUsPerMs = 1'000;
    const auto before = static_cast<double>(line_.queued() + line_.at_gate() + 1);
    const auto at_once = static_cast<double>(std::max<std::size_t>(1, capacity()));
    return std::max<std::int64_t>(1, std::llround(std::ceil(mean_us_ * before / at_once / kUsPerMs)));
}

}  // namespace tr::service
