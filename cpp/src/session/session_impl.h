#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "carrier/carrier.h"
#include "carrier/tensor_store.h"
#include "platform/deadline.h"
#include "platform/fork.h"
#include "platform/ping.h"
#include "platform/process.h"
#include "protocol/failure_record.h"
#include "protocol/message.h"
#include "protocol/records.h"
#include "session/interpreter.h"
#include "session/log.h"
#include "session/session_directory.h"
#include "session/thread_token.h"
#include "session/timed_mutex.h"
#include "session/turn.h"
#include "tech_renaissance/session/python_session.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

/// What a PythonSession does. Who holds several locks took them in this order: the turn, over a whole exchange;
/// ping_mutex_, while the worker is asked for a sign of life; state_mutex_, for a moment over the members it guards.
/// The tensor store, the log and calculate_async() have one each, under which no other of these is taken.
class PythonSession::Impl {
  public:
    using Deadline = platform::Deadline;

    explicit Impl(SessionOptions options);
    ~Impl();

    /// @throws InputError in a fork of the program that made this session
    void check_process() const {
        if (inherited()) throw_inherited();
    }
    bool inherited() const { return platform::fork_generation() != fork_generation_; }

    void start();
    bool is_alive() const;
    bool is_ready();
    bool is_busy() const;
    void wait_until_ready(std::int64_t timeout_ms);
    void wait_until_ok(std::int64_t timeout_ms);
    void send_request(const std::string& message);
    bool new_response();
    std::string read_response();
    std::string wait_for_response(std::int64_t timeout_ms);
    std::string fetch_response(const std::string& message, std::int64_t timeout_ms);
    void send_tensor(const TensorView& tensor, const std::string& tag);
    Tensor empty(const Shape& shape, DType dtype, const std::string& tag);
    std::vector<Tensor> wait_for_tensors(std::int64_t timeout_ms);
    std::vector<Tensor> fetch_tensors(const std::string& message, std::int64_t timeout_ms);
    std::vector<Tensor> calculate(const std::string& command, const std::vector<TensorView>& tensors,
                                  std::int64_t timeout_ms);
    TensorStream stream(const std::string& command, const std::vector<TensorView>& tensors, std::int64_t timeout_ms);
    std::future<Tensor> calculate_async(const std::string& command, std::vector<Tensor> tensors,
                                        std::int64_t timeout_ms);
    void please_exit(std::int64_t timeout_ms, bool ensure);
    void terminate();
    void join();
    void restart(std::int64_t timeout_ms);
    void clear_quarantine();
    std::string session_dir() const;
    const std::string& session_id() const { return session_id_; }
    void set_quiet_mode(bool quiet) { log_.set_quiet(quiet); }
    SessionStats stats() const;

  private:
    /// A response with what it names: its tensors are held from the moment it is taken, so that the next exchange
    /// cannot change them.
    struct Answer {
        std::string command;
        std::string text;
        std::vector<Tensor> tensors;
        std::exception_ptr error;
        bool more = false;  ///< a part of a stream
    };
    struct InFlight {
        std::uint64_t id;
        std::string command;
        ThreadToken owner;
        Deadline::Clock::time_point sent;
        std::string text{};                                ///< what was sent; where failures are kept
        const std::vector<TensorView>* tensors = nullptr;  ///< a, b, c, ..., while the caller waits; likewise
        std::string identity{};  ///< what tells it from other requests; where the quarantine needs that
        bool abandoned = false;  ///< whoever sent it gave up on it; its answer is dropped
        bool told = false;       ///< whoever sent it knows that it was lost
        bool counted = false;    ///< for the quarantine
        std::shared_ptr<std::exception_ptr> lost{};  ///< of a stream: where to put how it was lost
    };
    /// How the worker is; see SessionStats.
    struct Health {
        std::string state = "none";
        std::int64_t busy_ms = 0;
        std::string progress;
        bool interpreter_runs = false;            ///< it answered just now
        std::optional<std::int64_t> silent_ms{};  ///< it was silent for so long, which is too short to call it wedged
    };
    /// How long to wait for a sign of life; half of it without one is enough to call a worker wedged. Pure Python code
    /// lets another thread run every 5 ms; the rest is for a machine under load.
    static constexpr std::chrono::milliseconds kSignOfLife{200};
    class TurnLock;
    friend class TensorStream;

    [[noreturn]] void throw_inherited() const;
    Deadline deadline_of(std::int64_t timeout_ms) const;
    bool status_is_of_a_server() const;
    /// With the turn held, as it may change carrier_.
    bool ready();
    void bring_up(Deadline limit);
    void forget_vanished_directory();
    void check_start() const;
    void check_wanted() const;
    void start_worker(Deadline limit);
    void end_worker(const std::shared_ptr<platform::Process>& process);
    void prepare_directory();
    std::shared_ptr<platform::Process> launch(const platform::SpawnOptions& spawn, const std::string& package,
                                              Deadline limit, std::function<void()> on_exit);
    std::vector<std::string> open_carriers(WakeUp wake_up);
    std::string hear(protocol::Hello hello);
    void wait_for_first_sign(Deadline limit);
    void throw_if_never_started() const;
    /// Blocks until `done()`, or throws: RestartError, TimeoutError, or what the interrupt check throws.
    void wait_until(Deadline deadline, const char* purpose, const std::function<bool()>& done);
    /// Asks a worker that is at work for a sign of life, which takes up to kSignOfLife when it gives none, and ends
    /// with the limit.
    Health examine(Deadline limit) const;
    platform::Ping ask_ping(const std::string& directory, Deadline until, const std::function<bool()>& enough) const;
    bool request_was_taken() const;
    std::string effect() const;
    RestartError death();
    std::optional<RestartError> damage();
    void throw_if_damaged();
    void store(const TensorView& tensor, const std::string& tag);
    TimeoutError timeout(const char* purpose, const Health& health, bool of_start = false) const;
    /// Notes a failure, and throws it. With the turn held, as it keeps the request in flight too.
    template <class Error>
    [[noreturn]] void fail(const Error& error) {
        note_failure();
        if (options_.keep_on_failure) keep(std::make_exception_ptr(error));
        throw error;
    }
    void keep(const std::exception_ptr& error, bool started = true);
    std::map<std::string, bool> keep_tensors(const std::string& target) const;
    protocol::FailureRecord describe(const std::exception_ptr& error, bool started) const;
    std::string why_unfit() const;

    // With the turn held:
    void send(const std::string& message, const std::vector<TensorView>& tensors, Deadline deadline);
    void settle_previous(Deadline deadline);
    Answer receive(Deadline deadline);
    Answer receive_part(Deadline deadline);
    void begin_exchange(const std::vector<TensorView>& tensors, const std::string& message, Deadline deadline);
    Answer exchange(const std::vector<TensorView>& tensors, const std::string& message, std::int64_t timeout_ms);
    Answer exchange_once(const std::vector<TensorView>& tensors, const std::string& message, Deadline deadline);
    std::optional<Answer> take_answer();
    Answer read_answer(protocol::Response response);
    void note_departure(const protocol::RemoteFailure& failure);
    void note_leaving();
    RestartError vanished() const;
    Answer own_answer(Deadline deadline);
    void note_failure();
    void abandon();
    void cancel_in_flight();
    /// @returns the answer, or throws what it carries
    Answer checked(Answer answer);
    static std::vector<Tensor> tensors_of(Answer answer);

    // Recovery, with the turn held:
    class Restarting;
    bool ended_on_purpose() const { return stopped_ || restarts_ > 0; }  ///< with state_mutex_ held
    bool recovers() const { return options_.restart.attempts > 0; }
    bool worker_is_gone() const;
    bool directory_is_gone() const;
    /// `attempt()`, with as many workers as the policy allows.
    template <class Attempt>
    auto recovering(Deadline deadline, Attempt attempt) {
        bool gone = recovers() && worker_is_gone();
        for (int left = options_.restart.attempts;;) {
            try {
                if (gone && left > 0) {
                    --left;
                    start_again(deadline);
                }
                return attempt();
            } catch (const RestartError& error) {
                if (left == 0 || !error.may_retry()) throw;
                gone = worker_is_gone() || directory_is_gone();
                if (!gone) throw;
            }
        }
    }
    void start_again(Deadline deadline);
    void back_off(Deadline deadline);
    void settle_lost();
    bool is_idempotent(const std::string& command) const;
    void refuse_quarantined(const std::string& message, const std::vector<TensorView>& tensors) const;
    bool count_death();
    void note_answer();

    SessionOptions options_;
    std::string session_id_;
    SessionLog log_;
    const std::uint32_t fork_generation_ = platform::fork_generation();
    const std::int64_t owner_pid_;
    Turn turn_;

    mutable std::mutex state_mutex_;
    std::unique_ptr<SessionDirectory> directory_;
    std::shared_ptr<carrier::TensorStore> tensors_;  ///< shared with who sends a tensor just then, without the turn
    std::shared_ptr<carrier::Carrier> carrier_;      ///< the one in use; written with the turn and state_mutex_ held
    std::shared_ptr<carrier::Carrier> mailbox_carrier_;  ///< for a worker that says it uses it; else empty
    std::shared_ptr<platform::Process> process_;         // after the carriers: its thread wakes them
    std::optional<protocol::Hello> hello_;
    bool older_worker_ = false;       ///< ready, but without a hello
    std::atomic<bool> ready_{false};  ///< either of these; from here on carrier_ stays what it is until the next start
    bool leaving_ = false;            ///< it has said that it will serve no more
    bool directory_lost_ = false;     ///< it was removed, and no worker has been started since
    Choice interpreter_;
    WakeUp wake_up_ = WakeUp::automatic;
    Deadline start_deadline_ = Deadline::never();
    std::optional<InFlight> in_flight_;
    std::map<ThreadToken, Answer, std::owner_less<>> inbox_;  ///< answers that their threads have not read yet
    std::uint64_t next_id_ = 1;
    std::string command_;          ///< the worker's, with the reason for its interpreter, for messages
    std::uint64_t log_start_ = 0;  ///< where in the log this worker's lines begin
    bool anchored_ = false;        ///< the paths in the options no longer depend on the current directory
    SessionStats stats_;
    std::deque<std::string> kept_;  ///< directories of failures
    std::vector<std::string> worker_argv_;
    bool unsent_ = false;   ///< the call under way has not sent its request yet; for whoever holds the turn
    bool stopped_ = false;  ///< the worker was ended on purpose
    int restarts_ = 0;      ///< calls of restart() under way, which see to a worker themselves
    std::condition_variable stop_changed_;
    std::map<std::string, int> deaths_;  ///< of requests, by identity, that ended workers and were not answered since
    int starts_in_row_ = 0;              ///< by the policy, without an answer in between
    Deadline::Clock::time_point last_start_;
    std::atomic<bool> troubled_{false};  ///< there is something in deaths_ or starts_in_row_

    mutable TimedMutex ping_mutex_;  ///< one asks at a time
    mutable std::uint64_t pings_ = 0;

    std::mutex async_mutex_;
    std::condition_variable async_done_;
    int async_running_ = 0;
};

}  // namespace tr
