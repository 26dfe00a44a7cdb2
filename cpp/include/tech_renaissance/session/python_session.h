#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tech_renaissance/config.h"
#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/export.h"
#include "tech_renaissance/session/call_arguments.h"
#include "tech_renaissance/session/call_future.h"
#include "tech_renaissance/session/endpoint.h"
#include "tech_renaissance/session/endpoint_arguments.h"
#include "tech_renaissance/session/result.h"
#include "tech_renaissance/session/sent_request.h"
#include "tech_renaissance/session/session_event.h"
#include "tech_renaissance/session/session_stats.h"
#include "tech_renaissance/session/tensor_stream.h"
#include "tech_renaissance/utils/tr_exception.h"
#include "tech_renaissance/worker/session_options.h"

namespace tr {

namespace session {
class AsyncCall;
class Core;
}  // namespace session
class PythonSession;
namespace detail {
/// For bindings.
struct TR_API Waits {
    /// Has the threads that wait in calls of a session look again, whether they are to end. Any thread; waits for
    /// nothing.
    static void wake(const PythonSession& session);
};
/// For programs whose sessions have workers that they see to themselves.
struct TR_API Deaths {
    /// @param remedy what RestartErrors say of that, instead of advice; before the session is started
    static void hand_over(const PythonSession& session, const std::string& remedy);
};
/// For bindings: call() with arguments that were put together one by one.
struct TR_API EndpointCalls {
    static Result call(const PythonSession& session, const std::string& endpoint, const EndpointArguments& given);
    static TensorStream stream(const PythonSession& session, const std::string& endpoint,
                               const EndpointArguments& given);
    static ResultFuture call_async(const PythonSession& session, const std::string& endpoint,
                                   EndpointArguments&& given);
    /// Counts worker starts, as SessionStats::epoch.
    static std::uint64_t epoch(const PythonSession& session);
};
}  // namespace detail

/// A Python worker process that answers requests as if it were a function.
///
///     tr::PythonSession session("default", "demo");
///     session.start();
///     tr::Tensor y = session.calculate("torch.matmul", a, b);
///
/// Limits are milliseconds, or any std::chrono::duration; 0 waits for ever, and one left out is
/// SessionOptions::default_timeout_ms. A limit that passes is a TimeoutError (false for what returns whether it has
/// come about), the worker's death a RestartError that tells how it died and ends with its log, and a failure in the
/// Python code a RemoteError with its traceback.
///
/// Every method may be called from any thread. As many requests are in flight at a time as
/// SessionOptions::max_ongoing_requests says, one by default: calls from several threads take turns, and each thread
/// gets the answers to its own requests, never to another's; what a thread that has ended did not read is dropped. A
/// SentRequest hands a request that was sent by hand to another thread.
/// Tags belong to the session, not to a thread: threads that send tensors by hand use different tags, or calculate(),
/// which is one turn from its first tensor to its result. A tensor sent under a tag that another thread's request is
/// looking up is found as it was or as it is, never half of each.
///
/// A fork of the program has no part in its sessions: it may drop them, which disturbs nothing, and every other use of
/// one is an InputError there. It may start sessions of its own.
///
/// The destructor stops the worker (ask, SIGTERM, SIGKILL) and removes the session directory.
class TR_API PythonSession {
  public:
    /// Stands for "the session's default" where a method takes a limit.
    static constexpr std::int64_t kDefaultTimeout = -1;

    /// @param script_path a Python file, or "default" for the server that comes with the library
    /// @param session_id  see SessionOptions::session_id
    /// @throws InputError when the id is not a tag
    explicit PythonSession(const std::string& script_path = "default", const std::string& session_id = {},
                           bool quiet_mode = false);
    explicit PythonSession(SessionOptions options);
    ~PythonSession();
    PythonSession(PythonSession&&) noexcept;
    PythonSession& operator=(PythonSession&&) noexcept;
    PythonSession(const PythonSession&) = delete;
    PythonSession& operator=(const PythonSession&) = delete;

    /// A session with the worker that another program of this user runs under this id: it takes a channel of that
    /// worker, beside its owner's. The end of this session closes the channel and nothing else; the end of the owner
    /// ends the worker, and with it calls of this session, with a RestartError that says so. Tags are this session's.
    /// restart() attaches again. What would start or end the worker is the owner's: please_exit() and terminate() close
    /// the channel.
    /// @param options workspace, limits, log, observer, max_ongoing_requests and restart are looked at; what concerns
    ///        the start of a process is not
    /// @throws NotFoundError when there is no such session, which lists those there are
    static PythonSession connect(const std::string& session_id, SessionOptions options = {});
    /// Those that programs of this user run in a workspace.
    /// @param workspace as SessionOptions::workspace
    static std::vector<SessionInfo> list(const std::string& workspace = {});

    /// Creates the session directory and the worker; returns when the worker process runs, which is long before it is
    /// ready. Requests may be sent at once: they wait for it, as wait_until_ready() does, and tell when the script ends
    /// instead (RestartError). Nothing is done when there is a worker that lives.
    /// @throws InputError when the script does not exist, RetryError (E4001) when the id is in use, RestartError when
    ///         there is no interpreter or its process cannot be started
    void start();
    /// The same. Older programs name a time for the worker to warm up in, which is not needed.
    void start(int) { start(); }
    /// start() and wait_until_ready(), beside the caller, which start() alone may keep for a while with quick_start: a
    /// future for WaitSet, whose get() gives an empty tensor, or throws what these two do. It is a call like those of
    /// calculate_async(), which are made after it; other calls have no worker before it has been started.
    CallFuture start_async(Limit limit = kDefaultTimeout);

    /// The worker process lives.
    bool is_alive() const;
    /// The worker has said that it takes requests, and is not at work on one. Of a new worker, the call that waits for
    /// it hears that first, where one does. A worker that has ended never is: a loop looks at is_alive() as well.
    bool is_ready() const;
    /// A request is in flight that has no answer yet. For loops: never waits; with the mailbox it takes less than 1 µs.
    bool is_busy() const;
    /// What the server said last with write_status() in the request in flight, the oldest of several; empty when it has
    /// said nothing, or there is none. Never waits, and with the mailbox takes less than 1 µs but where there is
    /// something new, which is at most every 50 ms.
    std::string progress() const;
    /// A descriptor for poll(), epoll, Qt or another event loop. It is readable while there is something to take, and
    /// not when it has been taken:
    ///
    /// - an answer to a request of send_request(), of any thread: new_response() says whether it is this one's;
    /// - a tensor of a stream, or its end: TensorStream::is_ready();
    /// - the worker's death, until is_alive() has said so, a call has thrown it, or another worker is started; not one
    ///   by terminate() or please_exit();
    /// - that a new worker is ready: is_ready().
    ///
    /// What a call on another thread waits for at that moment is not there to be taken. Nothing is to be read from the
    /// descriptor or written to it; it is the same each time, and is closed with the session. From the first call on a
    /// thread sleeps for it. Where the mailbox is not in use it may be 32 ms late. An async call has
    /// CallFuture::when_ready().
    /// @throws InputError on Windows, RetryError when there is no thread or descriptor left
    int event_fd() const;
    /// Until the worker has said that it takes requests.
    /// @returns whether it has; false when the limit has passed, and the worker lives
    bool wait_until_ready(Limit limit = kDefaultTimeout) const;
    /// Until this thread's request has been answered without an error; the answer stays to be read.
    /// @returns whether it has; false when the limit has passed, and the worker lives
    /// @throws what the answer carries when it is an error; InputError when this thread has sent no request
    bool wait_until_ok(Limit limit = kDefaultTimeout) const;

    /// Sends a request. A JSON object is sent as such (`command` and `parameters`, or the older `cmd` and `params`);
    /// any other text is split at the first space into command and parameters. The answer to an earlier request of
    /// this thread that was not read is waited for and dropped, or kept for who has its SentRequest.
    /// @returns what hands the request to another thread; the thread that sends and reads itself need not keep it
    SentRequest send_request(const std::string& message) const;
    /// There is something to read: an answer to this thread's request, or that none will come, as the worker has ended.
    /// Never for a thread that has sent none. Does not wait.
    bool new_response() const;
    /// The text of the answer that lies ready; it can be read once.
    /// @throws InputError when there is none; what the answer carries when it is an error; RestartError when the worker
    ///         has ended instead
    std::string read_response() const;
    /// Waits for the answer to this thread's request and reads it.
    /// @throws InputError when this thread has sent none, which names the thread that has
    std::string wait_for_response(Limit limit = kDefaultTimeout) const;
    /// send_request() and wait_for_response().
    std::string fetch_response(const std::string& message, Limit limit = kDefaultTimeout) const;

    /// Puts a tensor where the worker finds it under `tag`. The memory is free for use when the call returns.
    void send_tensor(const TensorView& tensor, const std::string& tag) const;
    /// A tensor, not initialised, whose memory the worker shares: sending it under `tag` moves no bytes. The worker
    /// sees what is written to it later, and may write to it, so leave it alone while a request with it is in flight.
    /// It stays valid after the session. Where memory cannot be shared it is an ordinary tensor, and sending copies it.
    /// Waits for the worker to be ready, which knows.
    Tensor empty(const Shape& shape, DType dtype, const std::string& tag) const;
    /// Waits for the answer to this thread's request and gives its one tensor, its first where there are several.
    Tensor wait_for_tensor(Limit limit = kDefaultTimeout) const;
    /// The same, all of them, in the order sent.
    std::vector<Tensor> wait_for_tensors(Limit limit = kDefaultTimeout) const;
    /// send_request() and wait_for_tensor().
    Tensor fetch_tensor(const std::string& message, Limit limit = kDefaultTimeout) const;

    /// Has the worker run `command` on tensors and gives its result: `calculate("torch.matmul", x, y)`,
    /// `calculate("torch.sum dim=1", x, 500)`, `calculate("step", {{"obs", x}, {"act", y}})`.
    ///
    /// The tensors are sent under the tags a, b, c, ..., z, input_26, ..., which come first in the request's
    /// parameters; what follows a space in `command` comes after them. Under its name the server finds a tensor in
    /// `self.tensors`. A vector or std::map of NamedTensor stands for what is in it. A whole number at the end is the
    /// limit in milliseconds, as is a std::chrono::duration.
    /// @throws InputError when there are several results, or none; when a name is none, or stands there twice, or the
    ///         worker's package is too old for names
    template <class... Args>
    Tensor calculate(const std::string& command, const Args&... args) const {
        return result_of(command, detail::CallArguments(args...));
    }
    Tensor calculate(const std::string& command, const std::vector<TensorView>& tensors,
                     Limit limit = kDefaultTimeout) const {
        return result_of(command, detail::CallArguments(tensors, limit));
    }
    Tensor calculate(const std::string& command, std::initializer_list<NamedView> tensors,
                     Limit limit = kDefaultTimeout) const {
        return result_of(command, detail::CallArguments(std::vector<NamedView>(tensors), limit));
    }
    /// The same for commands with several results: all of them, in the order sent.
    template <class... Args>
    std::vector<Tensor> calculate_many(const std::string& command, const Args&... args) const {
        return results_of(command, detail::CallArguments(args...));
    }
    std::vector<Tensor> calculate_many(const std::string& command, const std::vector<TensorView>& tensors,
                                       Limit limit = kDefaultTimeout) const {
        return results_of(command, detail::CallArguments(tensors, limit));
    }
    std::vector<Tensor> calculate_many(const std::string& command, std::initializer_list<NamedView> tensors,
                                       Limit limit = kDefaultTimeout) const {
        return results_of(command, detail::CallArguments(std::vector<NamedView>(tensors), limit));
    }
    /// The same for servers that name their results, `self.send_tensors(loss=..., logits=...)`: all of them, by name.
    /// @throws InputError when one has no name
    template <class... Args>
    std::map<std::string, Tensor> calculate_named(const std::string& command, const Args&... args) const {
        return named_results_of(command, detail::CallArguments(args...));
    }
    std::map<std::string, Tensor> calculate_named(const std::string& command, const std::vector<TensorView>& tensors,
                                                  Limit limit = kDefaultTimeout) const {
        return named_results_of(command, detail::CallArguments(tensors, limit));
    }
    std::map<std::string, Tensor> calculate_named(const std::string& command, std::initializer_list<NamedView> tensors,
                                                  Limit limit = kDefaultTimeout) const {
        return named_results_of(command, detail::CallArguments(std::vector<NamedView>(tensors), limit));
    }
    /// Calls an endpoint of the server: `call("blur", image, 5)`, `call("blur", {{"image", image}, {"radius", 5}})`,
    /// `call("blur", image, {{"radius", 5}})`. Arguments are tensors, vectors of them, and values (see tr::Value);
    /// without a name they are for the inputs in order, and a std::vector<NamedArgument> stands for what is in it. The
    /// limit is a std::chrono::duration, or a Limit, at the end: a
    /// plain number is an argument.
    ///
    /// What is given is checked against what the endpoint declares before a byte is sent, and so are the tensors that
    /// come. A server that declares nothing, or has a main_logic for other commands, gets those as calculate() sends
    /// them: tensors in order, named or not, and named values as its `arguments`. The first call waits for the worker
    /// to be ready, which knows its endpoints.
    /// @throws NotFoundError when the server has no such endpoint; InputError when an argument is missing, unknown, or
    ///         not what it has to be, or the endpoint answers in parts, which stream() is for; RemoteError when its
    ///         results are not what it has declared
    template <class... Args>
    Result call(const std::string& endpoint, const Args&... args) const {
        return called(endpoint, given().take(args...));
    }
    template <class L = Limit>
    Result call(const std::string& endpoint, std::initializer_list<NamedArgument> named, const L& limit = {}) const {
        return called(endpoint, given().take_named(named).within(limit));
    }
    template <class A, class L = Limit>
    Result call(const std::string& endpoint, const A& first, std::initializer_list<NamedArgument> named,
                const L& limit = {}) const {
        return called(endpoint, given().take(first).take_named(named).within(limit));
    }
    template <class A, class B, class L = Limit>
    Result call(const std::string& endpoint, const A& first, const B& second,
                std::initializer_list<NamedArgument> named, const L& limit = {}) const {
        return called(endpoint, given().take(first, second).take_named(named).within(limit));
    }
    /// The same beside the caller, as calculate_async(). A Tensor is shared; a TensorView has to stay valid, and a
    /// tensor as it is, until the future is ready.
    template <class... Args>
    ResultFuture call_async(const std::string& endpoint, const Args&... args) const {
        return called_async(endpoint, std::move(kept().take(args...)));
    }
    template <class L = Limit>
    ResultFuture call_async(const std::string& endpoint, std::initializer_list<NamedArgument> named,
                            const L& limit = {}) const {
        return called_async(endpoint, std::move(kept().take_named(named).within(limit)));
    }
    template <class A, class L = Limit>
    ResultFuture call_async(const std::string& endpoint, const A& first, std::initializer_list<NamedArgument> named,
                            const L& limit = {}) const {
        return called_async(endpoint, std::move(kept().take(first).take_named(named).within(limit)));
    }
    /// What the server offers, in its order; none of one that declares nothing. Waits for the worker to be ready.
    std::vector<Endpoint> endpoints() const;
    [[deprecated("use calculate()")]] Tensor calculate_all(const std::string& command,
                                                           const std::vector<TensorView>& tensors,
                                                           Limit limit = kDefaultTimeout) const {
        return calculate(command, tensors, limit);
    }
    [[deprecated("use calculate_many()")]] std::vector<Tensor> calculate_n(const std::string& command,
                                                                           const std::vector<TensorView>& tensors,
                                                                           Limit limit = kDefaultTimeout) const {
        return calculate_many(command, tensors, limit);
    }
    /// The tensors that the worker sends one by one in answer to one request, as they come:
    /// `for (const tr::Tensor& frame : session.stream("frames", {start})) ...`.
    /// @param limit for each of them
    TensorStream stream(const std::string& command, const std::vector<TensorView>& tensors = {},
                        Limit limit = kDefaultTimeout) const;
    /// The parts of an endpoint that streams, `stream("frames", {{"start", start}, {"count", 5}})`; as call().
    TensorStream stream(const std::string& endpoint, std::initializer_list<NamedArgument> named,
                        Limit limit = kDefaultTimeout) const {
        // {} may be meant for tensors, which wait for no worker.
        if (named.size() == 0) return stream(endpoint, std::vector<TensorView>(), limit);
        return streamed(endpoint, given().take_named(named).within(limit));
    }
    TensorStream stream(const std::string& endpoint, const std::vector<NamedArgument>& named,
                        Limit limit = kDefaultTimeout) const {
        return streamed(endpoint, given().take_named(named).within(limit));
    }
    /// The same as calculate(), beside the caller: calls are made in the order of these, as many at a time as
    /// SessionOptions::max_ongoing_requests says. The limit counts from here. The tensors are shared, not copied, so
    /// leave their contents alone until the future is ready. A session that goes while one is open ends it with an
    /// exception.
    CallFuture calculate_async(const std::string& command, const std::vector<Tensor>& tensors,
                               Limit limit = kDefaultTimeout) const;
    CallFuture calculate_async(const std::string& command, const std::vector<NamedTensor>& tensors,
                               Limit limit = kDefaultTimeout) const;
    CallFuture calculate_async(const std::string& command, std::initializer_list<NamedTensor> tensors,
                               Limit limit = kDefaultTimeout) const {
        return calculate_async(command, std::vector<NamedTensor>(tensors), limit);
    }

    /// Asks the worker to exit and waits. When it has not by then: with `ensure` it is terminated, else TimeoutError.
    void please_exit(Limit limit = 5'000, bool ensure = true);
    /// Ends the worker now: SIGTERM, and SIGKILL when that is not enough. A start that is under way on another thread
    /// ends with a RestartError.
    void terminate();
    /// Waits, without a limit, until the worker process has ended by itself.
    void join();
    /// Ends the worker, if there is one, as terminate() does, and starts another, whatever state the session is in;
    /// returns when it is ready. Tensors stay under their tags, and those that the caller holds stay valid. An answer
    /// that has come can still be read; a request in flight ends for the thread that sent it: with a RestartError, or
    /// E4002 where the server could still say so. Nothing else that the old worker may say reaches anybody.
    /// @throws RestartError when the new worker dies before it is ready, TimeoutError when it takes longer
    void restart(Limit limit = kDefaultTimeout);
    /// Lets requests through again that RestartPolicy::quarantine_after keeps from the worker.
    void clear_quarantine();

    /// Where the files of this session are; before start() where they will be, as things stand, and nothing is made
    /// there. Empty before connect() has found it.
    std::string session_dir() const;
    /// Where none was given: before start() the one that it asks for, "default".
    const std::string& session_id() const;
    /// No log lines on standard error; warnings and errors are dropped too, exceptions are not.
    void set_quiet_mode(bool quiet);
    /// The end of what the worker that there is now has printed, or the last one: whole lines, `max_bytes` at most.
    /// Empty when there is nothing, or the directory has been removed.
    std::string log_tail(std::size_t max_bytes = 4096) const;
    /// What is known without asking the worker; costs no more than a few looks at files.
    SessionStats stats() const;
    /// Asks a worker that is at work for a sign of life, and waits up to 200 ms for it.
    WorkerHealth probe() const;
    /// Asks the server how it is, by its hook `health()`, with a request of its own: empty when it is well, or has no
    /// such hook; else what is wrong.
    /// @throws as fetch_response() when it cannot be asked
    std::string health(Limit limit = kDefaultTimeout) const;

  private:
    Tensor result_of(const std::string& command, const detail::CallArguments& call) const;
    std::vector<Tensor> results_of(const std::string& command, const detail::CallArguments& call) const;
    std::map<std::string, Tensor> named_results_of(const std::string& command, const detail::CallArguments& call) const;

    static detail::EndpointArguments given() { return detail::EndpointArguments(detail::EndpointArguments::Keep::no); }
    static detail::EndpointArguments kept() { return detail::EndpointArguments(detail::EndpointArguments::Keep::yes); }
    Result called(const std::string& endpoint, const detail::EndpointArguments& given) const;
    TensorStream streamed(const std::string& endpoint, const detail::EndpointArguments& given) const;
    ResultFuture called_async(const std::string& endpoint, detail::EndpointArguments&& given) const;

    friend struct detail::EndpointCalls;
    friend class TensorStream;
    friend class WaitSet;
    friend TR_API void start_all(const std::vector<PythonSession*>& sessions, Limit limit);
    friend TR_API void stop_all(const std::vector<PythonSession*>& sessions);
    friend struct detail::Deaths;
    friend struct detail::Waits;
    friend struct detail::SessionAccess;
    struct Drop {
        void operator()(session::Core* core) const;
    };
    explicit PythonSession(std::unique_ptr<session::Core, Drop> core);
    session::Core& core() const;
    std::unique_ptr<session::Core, Drop> core_;
};

/// Starts several sessions side by side, and returns when all are ready.
/// @throws the first error of one that cannot be started, or is not ready within the limit; the others run
TR_API void start_all(const std::vector<PythonSession*>& sessions, Limit limit = PythonSession::kDefaultTimeout);
/// Stops the workers of several sessions side by side, as their destructors would one after the other: those that are
/// idle are asked to exit, those at work are ended. The sessions may be started again.
TR_API void stop_all(const std::vector<PythonSession*>& sessions);

}  // namespace tr
