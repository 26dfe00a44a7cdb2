#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/export.h"
#include "tech_renaissance/worker/limit.h"

namespace tr {

namespace session {
class Core;
}

/// A request that PythonSession::send_request() has sent. Whoever has it, or a copy, may take the answer, on any
/// thread: this is how a request is handed from one thread to another. For as long as one is there the answer is kept,
/// also when the thread that sent the request has ended, or has sent another one.
///
/// The methods are those of PythonSession, for this request in place of the thread's last one; the answer can be read
/// once, here or there. It must not be used when its session has gone; it may be destroyed then.
class TR_API SentRequest {
  public:
    SentRequest() = default;
    ~SentRequest() = default;
    SentRequest(const SentRequest&) = default;
    SentRequest& operator=(const SentRequest&) = default;
    SentRequest(SentRequest&&) = default;
    SentRequest& operator=(SentRequest&&) = default;

    /// There is something to read. Does not wait.
    bool new_response() const;
    /// @throws InputError when there is nothing to read, else as PythonSession::read_response()
    std::string read_response() const;
    /// @param limit as for PythonSession: -1 for the session's default
    /// @throws InputError when the answer has been read before
    std::string wait_for_response(Limit limit = {}) const;
    Tensor wait_for_tensor(Limit limit = {}) const;
    std::vector<Tensor> wait_for_tensors(Limit limit = {}) const;

  private:
    friend class PythonSession;
    friend class WaitSet;
    SentRequest(session::Core& core, std::uint64_t request, std::shared_ptr<const void> handle)
        : core_(&core), request_(request), handle_(std::move(handle)) {}
    session::Core& core() const;

    session::Core* core_ = nullptr;
    std::uint64_t request_ = 0;
    std::shared_ptr<const void> handle_;
};

}  // namespace tr
