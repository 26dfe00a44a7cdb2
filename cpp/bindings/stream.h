#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <variant>

#include "tech_renaissance/session/python_session.h"

namespace tr::python {

/// A stream as Python holds it. Until it has ended it keeps its session or pool, which a TensorStream must not outlive.
///
/// Every method is called with the GIL held, which it gives up while it waits. Calls of several threads take turns.
class Stream {
  public:
    Stream(std::shared_ptr<void> owner, TensorStream stream) : owner_(std::move(owner)), stream_(std::move(stream)) {}
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// @throws InputError when its session was closed before it had ended
    std::optional<std::variant<Tensor, Result>> next();
    /// Of one that another thread reads just then: false.
    bool is_ready();
    void cancel();
    /// For a session that closes: ends it, unless another thread is in one of its calls.
    void leave_session();

  private:
    /// Held over a call.
    class Use;
    void end(std::shared_ptr<void>& owner);

    std::shared_ptr<void> owner_;
    std::optional<TensorStream> stream_;
    std::timed_mutex mutex_;
    std::atomic<std::thread::id> user_{};  ///< who is in a call
    bool cut_off_ = false;
};

}  // namespace tr::python
