#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/export.h"
#include "tech_renaissance/session/result.h"
#include "tech_renaissance/worker/limit.h"

namespace tr {

namespace session {
class AsyncCall;
}
class PythonSession;
class SentRequest;
namespace detail {
struct SessionAccess;
}

/// A handle on a call that goes on beside its caller; of a CallFuture or a ResultFuture. It may outlive its session,
/// whose end ends the call. Any thread.
class TR_API AsyncHandle {
  public:
    AsyncHandle() = default;

    /// The call has ended: get() does not wait.
    bool is_ready() const;
    /// The result is not wanted any more: a call that has not been sent is dropped, one that is at work is given up,
    /// and its server told. get() then throws a RetryError (E4002), unless the answer has come before.
    void cancel() const;
    /// Has this called when the call has ended, on the thread that ends it; at once where it has.
    void when_ready(std::function<void()> callback) const;

  protected:
    explicit AsyncHandle(std::shared_ptr<session::AsyncCall> call) : call_(std::move(call)) {}

  private:
    friend class WaitSet;
    std::shared_ptr<session::AsyncCall> call_;
};

/// The result of a calculate_async() or start_async(), as a std::future, and a handle on the call. One thread at a
/// time, but for what the handle does.
class TR_API CallFuture : public std::future<Tensor>, public AsyncHandle {
  public:
    CallFuture() = default;

  private:
    friend class PythonSession;
    friend struct detail::SessionAccess;
    CallFuture(std::future<Tensor> result, std::shared_ptr<session::AsyncCall> call)
        : std::future<Tensor>(std::move(result)), AsyncHandle(std::move(call)) {}
};

/// The same of a call_async().
class TR_API ResultFuture : public std::future<Result>, public AsyncHandle {
  public:
    ResultFuture() = default;

  private:
    friend class PythonSession;
    friend struct detail::SessionAccess;
    ResultFuture(std::future<Result> result, std::shared_ptr<session::AsyncCall> call)
        : std::future<Result>(std::move(result)), AsyncHandle(std::move(call)) {}
};

/// Waits for the next of several sessions and calls.
///
///     tr::WaitSet next;
///     next.add(camera, 1);     // an answer to this thread's send_request(), or the worker's death
///     next.add(future, 2);     // of calculate_async() or call_async()
///     while (auto ready = next.wait()) ...
///
/// One thread at a time, but for wake(). What was added has to live until it is removed, or the set is gone.
class TR_API WaitSet {
  public:
    enum class Event {
        answer,  ///< new_response() is true, of the session on this thread
        death,   ///< the worker of the session has ended
        call,    ///< the future is ready
    };
    struct Ready {
        std::uint64_t key;
        Event event;
    };

    WaitSet();
    ~WaitSet();
    WaitSet(const WaitSet&) = delete;
    WaitSet& operator=(const WaitSet&) = delete;

    /// @param key what wait() gives; of the caller's choice, another one for each
    void add(const PythonSession& session, std::uint64_t key);
    void add(const SentRequest& request, std::uint64_t key);
    void add(const AsyncHandle& call, std::uint64_t key);
    void remove(std::uint64_t key);

    /// Waits for the next that is ready, those added first before others. A session or call stays ready until its
    /// answer has been read, its worker started again, or it is removed.
    /// @param limit 0: for ever
    /// @returns nothing when the limit passed, wake() was called, or the set is empty
    std::optional<Ready> wait(Limit limit = 0);
    /// Ends the wait under way, or the next one; any thread.
    void wake();

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace tr
