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

    [[noreturn]] void throw_lost() const;

    session::Core& core;
    session::Conversation conversation;
    std::int64_t timeout_ms;
    std::deque<Tensor> ready;
    bool ended = false;
    /// How it was lost, when its channel has been taken; shared with the request in flight.
    std::shared_ptr<std::exception_ptr> lost = std::make_shared<std::exception_ptr>();
};

}  // namespace tr
