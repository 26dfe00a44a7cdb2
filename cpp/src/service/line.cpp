#include "service/line.h"

#include <algorithm>

namespace tr::service {

using platform::Deadline;

void Line::enter(const One& waiter) {
    waiter->number = ++numbers_;
    if (has_room()) return put_into_queue(waiter);
    waiter->state = Waiter::State::at_gate;
    gate_.insert(waiter);
}

void Line::put_into_queue(const One& waiter) {
    waiter->state = Waiter::State::queued;
    queue_.insert(waiter);
    longest_ = std::max(longest_, queue_.size());
}

void Line::leave(const One& waiter) {
    if (waiter->state == Waiter::State::at_gate) gate_.erase(waiter);
    if (waiter->state == Waiter::State::queued) queue_.erase(waiter);
    waiter->state = Waiter::State::outside;
    while (has_room() && !gate_.empty()) {
        const One next = *gate_.begin();
        gate_.erase(gate_.begin());
        put_into_queue(next);
        if (next->call) next->changed.notify_one();  // submit() need not wait any longer
    }
}

Line::One Line::first_in(const Ordered& calls, const std::function<bool(const Waiter&)>& holds) {
    const auto found = std::find_if(calls.begin(), calls.end(), [&](const One& one) { return holds(*one); });
    return found == calls.end() ? nullptr : *found;
}

Line::One Line::find(const std::function<bool(const Waiter&)>& holds) const {
    return first_in(queue_, holds);
}

Line::One Line::find_any(const std::function<bool(const Waiter&)>& holds) const {
    const auto found = find(holds);
    return found ? found : first_in(gate_, holds);
}

Deadline Line::next_deadline() const {
    auto next = Deadline::never();
    for (const auto* calls : {&queue_, &gate_})
        for (const auto& one : *calls)
            if (one->call) next = next.sooner(one->deadline);
    return next;
}

}  // namespace tr::service
