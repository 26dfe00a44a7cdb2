#include "session/bells.h"

#include "session/core.h"

namespace tr::session {
namespace {

using platform::Deadline;
constexpr std::int64_t kPollMs = 32;  ///< between looks, where nothing rings that could be waited for with others

}  // namespace

Bells::Seen Bells::look(const std::vector<const Core*>& sessions) const {
    Seen seen;
    seen.own = bell_.load(std::memory_order_acquire);
    seen.words.emplace_back(&bell_, seen.own);
    for (const auto* session : sessions) seen.all_ring = session->mailboxes(seen.mailboxes) && seen.all_ring;
    for (const auto& mailbox : seen.mailboxes) seen.words.emplace_back(&mailbox->bell_word(), mailbox->bell());
    return seen;
}

void Bells::sleep(const Seen& seen, Deadline deadline) {
    if (seen.all_ring) {
        for (const auto& mailbox : seen.mailboxes) mailbox->sleeps(true);
        const bool waited = platform::futex_wait_any(seen.words, deadline);
        for (const auto& mailbox : seen.mailboxes) mailbox->sleeps(false);
        if (waited) return;
    }
    std::unique_lock<std::mutex> lock(mutex_);
    const auto soon = seen.words.size() > 1 || !seen.all_ring ? Deadline::after(kPollMs).sooner(deadline) : deadline;
    changed_.wait_until(lock, soon.when(), [&] { return bell_.load() != seen.own; });
}

void Bells::ring() {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        bell_.fetch_add(1, std::memory_order_release);
        changed_.notify_all();
    }
    platform::futex_wake(bell_);
}

}  // namespace tr::session
