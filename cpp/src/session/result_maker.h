#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/endpoint_call.h"
#include "session/inbox.h"
#include "tech_renaissance/session/result.h"

namespace tr {

/// Makes the results of a call of its answer.
class ResultMaker {
  public:
    /// @param endpoint null where nothing is known of the command
    /// @param sizes    of the symbols of its inputs
    /// @throws RemoteError when the answer is not what the endpoint has declared
    static Result make(session::Answer answer, const protocol::Endpoint* endpoint, protocol::Sizes& sizes);

  private:
    explicit ResultMaker(session::Answer answer) : answer_(std::move(answer)) {}
    void take_declared(const protocol::Endpoint& endpoint);
    void take_rest();
    bool take(const std::string& name);
    void take_list(const std::string& name);
    std::string name_of(std::size_t tensor) const;

    session::Answer answer_;
    Result result_;
    std::vector<std::size_t> in_lists_;  ///< which tensors of the answer
};

}  // namespace tr
