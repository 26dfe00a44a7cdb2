#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>

#include "protocol/endpoint_call.h"
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
    Result result_of(session::Answer answer);
    [[noreturn]] void throw_lost() const;
    /// Whether the next tensor, or the end, has come with the part that was read last.
    void note_more(bool more);

    std::shared_ptr<const void> kept;  ///< for as long as it runs, by who gave it out; goes last
    session::Core& core;
    session::Conversation conversation;
    std::int64_t timeout_ms;
    std::shared_ptr<const protocol::Endpoints> offered;  ///< by the worker
    const protocol::Endpoint* endpoint = nullptr;        ///< among these; null: nothing is known of the command
    std::optional<protocol::Sizes> sizes;                ///< of the symbols of its inputs; nothing: not looked up yet
    std::optional<Result> part;                          ///< that has come, and of which nothing was given
    std::deque<Tensor> ready;                            ///< what is left of one that is given tensor by tensor
    bool ended = false;
    bool has_more = false;  ///< as noted in the session
    /// How it was lost, when its channel has been taken; shared with the request in flight.
    std::shared_ptr<std::exception_ptr> lost = std::make_shared<std::exception_ptr>();
};

}  // namespace tr
