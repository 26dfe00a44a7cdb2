#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <memory>

#include "session/conversation.h"
#include "session/core.h"
#include "tech_renaissance/session/tensor_stream.h"

namespace tr {

/// What a stream holds while it runs.
struct TensorStream::State {
    State(session::Core& owner, platform::Deadline deadline, std::int64_t timeout)
        : core(owner), conversation(owner, deadline), timeout_ms(timeout) {}

    ~State() { note_more(false); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    /// Its request has gone out.
    void begun();
    [[noreturn]] void throw_lost() const;
    /// Whether the next tensor, or the end, has come with the part that was read last.
    void note_more(bool more);

    std::shared_ptr<const void> kept;  ///< for as long as it runs, by who gave it out; goes last
    session::Core& core;
    session::Conversation conversation;
    std::int64_t timeout_ms;
    std::deque<Tensor> ready;
    bool ended = false;
    bool has_more = false;  ///< as noted in the session
    /// How it was lost, when its channel has been taken; shared with the request in flight.
    std::shared_ptr<std::exception_ptr> lost = std::make_shared<std::exception_ptr>();
};

}  // namespace tr
