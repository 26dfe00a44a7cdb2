#pragma once

#include <memory>
#include <utility>

namespace tr::channel {

/// Stands for a thread, and has expired when that has ended. The ids of the system are given again then.
using ThreadToken = std::weak_ptr<const char>;

inline const std::shared_ptr<const char>& this_thread() {
    using Token = std::shared_ptr<const char>;
    // A bare pointer may still be read when the variables of this kind that need a destructor are gone already: a
    // session that is a global is destroyed after those of the main thread.
    thread_local Token* token = nullptr;
    struct End {
        ~End() { delete std::exchange(token, nullptr); }
    };
    thread_local End end;
    if (token == nullptr) token = new Token(std::make_shared<const char>());
    return *token;
}

inline bool is_this_thread(const ThreadToken& thread) {
    const auto& self = this_thread();
    return !thread.owner_before(self) && !self.owner_before(thread);
}

}  // namespace tr::channel
