#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <vector>

#include "platform/deadline.h"
#include "platform/futex.h"
#include "platform/interrupt.h"
#include "session/async_calls.h"
#include "session/core.h"
#include "tech_renaissance/session/call_future.h"

namespace tr {
namespace {

using platform::Deadline;
constexpr std::int64_t kStepMs = 200;  ///< a signal does not end every wait
constexpr std::int64_t kPollMs = 32;   ///< between looks, where nothing rings that could be waited for with others

}  // namespace

struct WaitSet::State {
    struct Item {
        std::uint64_t key;
        session::Core* session;  ///< either
        std::shared_ptr<session::AsyncCall> call;
    };
    std::vector<Item> items;

    // What happens in this process rings both.
    std::atomic<std::uint32_t> bell{0};
    std::mutex mutex;
    std::condition_variable changed;
    bool woken = false;

    void ring(bool wake) {
        {
            const std::lock_guard<std::mutex> lock(mutex);
            woken = woken || wake;
            bell.fetch_add(1, std::memory_order_release);
            changed.notify_all();
        }
        platform::futex_wake(bell);
    }
    std::optional<Ready> look() const {
        for (const auto& item : items) {
            if (item.call && item.call->is_ready()) return Ready{item.key, Event::call};
            if (item.session == nullptr) continue;
            if (item.session->answer_for_this_thread()) return Ready{item.key, Event::answer};
            if (item.session->has_died()) return Ready{item.key, Event::death};
        }
        return std::nullopt;
    }
    using Mailboxes = std::vector<std::shared_ptr<channel::Mailbox>>;
    void sleep(const platform::FutexWords& words, const Mailboxes& mailboxes, bool all_ring, std::uint32_t seen,
               Deadline deadline) {
        const auto step = Deadline::after(kStepMs).sooner(deadline);
        if (all_ring) {
            for (const auto& mailbox : mailboxes) mailbox->sleeps(true);
            const bool waited = platform::futex_wait_any(words, step);
            for (const auto& mailbox : mailboxes) mailbox->sleeps(false);
            if (waited) return;
        }
        std::unique_lock<std::mutex> lock(mutex);
        const auto soon = words.size() > 1 || !all_ring ? Deadline::after(kPollMs).sooner(step) : step;
        changed.wait_until(lock, soon.when(), [&] { return bell.load() != seen; });
    }
};

WaitSet::WaitSet() : state_(std::make_shared<State>()) {}
WaitSet::~WaitSet() = default;

void WaitSet::add(const PythonSession& session, std::uint64_t key) {
    state_->items.push_back({key, &session.core(), nullptr});
}

void WaitSet::add(const CallFuture& call, std::uint64_t key) {
    if (!call.call_) throw InputError("this future has no call: add one that calculate_async() gave");
    state_->items.push_back({key, nullptr, call.call_});
    call.when_ready([state = std::weak_ptr<State>(state_)] {
        if (const auto set = state.lock()) set->ring(false);
    });
}

void WaitSet::remove(std::uint64_t key) {
    auto& items = state_->items;
    items.erase(std::remove_if(items.begin(), items.end(), [key](const auto& item) { return item.key == key; }),
                items.end());
}

std::optional<WaitSet::Ready> WaitSet::wait(std::int64_t timeout_ms) {
    if (timeout_ms < 0)
        throw InputError("a time limit of " + std::to_string(timeout_ms) +
                         " ms makes no sense: expected milliseconds, or 0 to wait for ever");
    const Deadline deadline = Deadline::after(timeout_ms);
    while (!state_->items.empty()) {
        // Before the look, so that what comes after it ends the sleep.
        const std::uint32_t seen = state_->bell.load(std::memory_order_acquire);
        platform::FutexWords words{{&state_->bell, seen}};
        bool all_ring = true;
        State::Mailboxes mailboxes;  // kept mapped while their words are slept on
        for (const auto& item : state_->items)
            if (item.session != nullptr) all_ring = item.session->mailboxes(mailboxes) && all_ring;
        for (const auto& mailbox : mailboxes) words.emplace_back(&mailbox->bell_word(), mailbox->bell());
        {
            const std::lock_guard<std::mutex> lock(state_->mutex);
            if (std::exchange(state_->woken, false)) return std::nullopt;
        }
        if (const auto ready = state_->look()) return ready;
        if (deadline.passed()) return std::nullopt;
        state_->sleep(words, mailboxes, all_ring, seen, deadline);
        detail::check_interrupt();
    }
    return std::nullopt;
}

void WaitSet::wake() {
    state_->ring(true);
}

}  // namespace tr
