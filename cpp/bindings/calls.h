#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "session.h"
#include "tech_renaissance/session/call_arguments.h"
#include "tech_renaissance/session/call_future.h"

namespace tr::python {

/// Tensors over the memory of Python's, which they keep.
std::vector<NamedTensor> share(const pybind11::sequence& exported, const std::vector<std::string>& names);

/// A CallFuture or a ResultFuture as Python holds it.
class Call {
  public:
    Call(const Session& session, const std::string& command, const pybind11::sequence& tensors,
         const std::vector<std::string>& names, std::int64_t timeout_ms);
    explicit Call(CallFuture future) : future_(std::move(future)) {}
    explicit Call(ResultFuture future) : future_(std::move(future)) {}
    static std::unique_ptr<Call> start(const Session& session, std::int64_t timeout_ms);

    const AsyncHandle& handle() const;
    bool is_ready() const { return handle().is_ready(); }
    void cancel() const;
    Tensor get();
    /// Of a call_async(): what result_tuple() makes of it.
    pybind11::tuple result();
    void when_ready(const pybind11::object& callback) const;

  private:
    std::variant<CallFuture, ResultFuture> future_;
};

}  // namespace tr::python
