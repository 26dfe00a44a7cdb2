#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "platform/host.h"

namespace tr::channel {

/// Stands for a thread, and has expired when that has ended. The ids of the system are given again then.
using ThreadToken = std::weak_ptr<const std::int64_t>;

/// What it points to is the thread's id, as the system's tools show it.
inline const std::shared_ptr<const std::int64_t>& this_thread() {
    using Token = std::shared_ptr<const std::int64_t>;
    // A bare pointer may still be read when the variables of this kind that need a destructor are gone already: a
    // session that is a global is destroyed after those of the main thread.
    thread_local Token* token = nullptr;
    struct End {
        ~End() { delete std::exchange(token, nullptr); }
    };
    thread_local End end;
    if (token == nullptr) token = new Token(std::make_shared<const std::int64_t>(platform::thread_id()));
    return *token;
}

inline bool is_this_thread(const ThreadToken& thread) {
    const auto& self = this_thread();
    return !thread.owner_before(self) && !self.owner_before(thread);
}

/// Whose the answer to a request is: the thread's that sent it, and whoever's who has its SentRequest.
struct Owner {
    ThreadToken thread;
    std::weak_ptr<const void> handle{};  ///< empty: nobody has one
    /// There is nobody left who could read it.
    bool expired() const { return thread.expired() && handle.expired(); }
};

}  // namespace tr::channel
