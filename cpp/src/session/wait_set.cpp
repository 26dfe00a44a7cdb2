#include <algorithm>
#include <atomic>
#include <vector>

#include "platform/deadline.h"
#include "platform/interrupt.h"
#include "session/async_calls.h"
#include "session/bells.h"
#include "session/core.h"
#include "tech_renaissance/session/call_future.h"

namespace tr {
namespace {

using platform::Deadline;
constexpr std::int64_t kStepMs = 200;    ///< a signal does not end every wait
constexpr std::int64_t kUnheardMs = 20;  ///< a worker that comes up rings no bell

}  // namespace

struct WaitSet::State {
    struct Item {
        std::uint64_t key;
        session::Core* session;  ///< either
        std::shared_ptr<session::AsyncCall> call;
        std::uint64_t request = 0;  ///< of the session; 0: the one that this thread has sent
    };
    std::vector<Item> items;

    session::Bells bells;
    std::atomic<bool> woken{false};

    bool all_heard = true;  ///< those that have been looked at last

    std::optional<Ready> look() {
        all_heard = true;
        for (const auto& item : items) {
            if (item.call && item.call->is_ready()) return Ready{item.key, Event::call};
            if (item.session == nullptr) continue;
            if (!item.session->has_been_heard()) all_heard = false;
            const auto request = item.request != 0 ? item.request : item.session->inbox.own_request().value_or(0);
            if (request != 0 && item.session->answer_lies_ready(request)) return Ready{item.key, Event::answer};
            if (item.session->has_died()) return Ready{item.key, Event::death};
        }
        return std::nullopt;
    }
};

WaitSet::WaitSet() : state_(std::make_shared<State>()) {}
WaitSet::~WaitSet() = default;

void WaitSet::add(const PythonSession& session, std::uint64_t key) {
    state_->items.push_back({key, &session.core(), nullptr});
}

void WaitSet::add(const SentRequest& request, std::uint64_t key) {
    state_->items.push_back({key, &request.core(), nullptr, request.request_});
}

void WaitSet::add(const AsyncHandle& call, std::uint64_t key) {
    if (!call.call_) throw InputError("this future has no call: add one that calculate_async() or call_async() gave");
    state_->items.push_back({key, nullptr, call.call_});
    call.when_ready([state = std::weak_ptr<State>(state_)] {
        if (const auto set = state.lock()) set->bells.ring();
    });
}

void WaitSet::remove(std::uint64_t key) {
    auto& items = state_->items;
    items.erase(std::remove_if(items.begin(), items.end(), [key](const auto& item) { return item.key == key; }),
                items.end());
}

std::optional<WaitSet::Ready> WaitSet::wait(Limit limit) {
    if (limit < 0)
        throw InputError("a time limit of " + std::to_string(limit) +
                         " ms makes no sense: expected milliseconds, or 0 to wait for ever");
    const Deadline deadline = Deadline::after(limit);
    while (!state_->items.empty()) {
        std::vector<const session::Core*> sessions;
        for (const auto& item : state_->items)
            if (item.session != nullptr) sessions.push_back(item.session);
        const auto seen = state_->bells.look(sessions);
        if (state_->woken.exchange(false)) return std::nullopt;
        if (const auto ready = state_->look()) return ready;
        if (deadline.passed()) return std::nullopt;
        state_->bells.sleep(seen, Deadline::after(state_->all_heard ? kStepMs : kUnheardMs).sooner(deadline));
        detail::check_interrupt();
    }
    return std::nullopt;
}

void WaitSet::wake() {
    state_->woken.store(true);
    state_->bells.ring();
}

}  // namespace tr
