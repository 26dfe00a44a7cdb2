#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "channel/channel.h"
#include "platform/deadline.h"
#include "platform/fork.h"
#include "session/async_calls.h"
#include "session/conversation.h"
#include "session/event_descriptor.h"
#include "session/inbox.h"
#include "session/post_mortem.h"
#include "session/recorder.h"
#include "session/supervisor.h"
#include "session/turns.h"
#include "tech_renaissance/session/python_session.h"
#include "worker/launcher.h"
#include "worker/log.h"
#include "worker/session_name.h"
#include "worker/worker.h"

namespace tr::session {

/// What a PythonSession is made of: a worker, its channels, and what is known of both. Each part has its own lock, and
/// says who may use it; under none of them another part is called, but for the log.
class Core {
  public:
    using Deadline = platform::Deadline;

    /// @param attached to a worker that another program runs
    Core(SessionOptions session_options, bool attached);
    /// Stops the worker, or leaves it where it is another program's.
    ~Core();

    /// @throws InputError in a fork of the program that made this session
    void check_process() const;
    bool inherited() const { return platform::fork_generation() != fork_generation_; }

    const SessionOptions options;
    SessionName name;
    const std::string& id() const { return name.text(); }
    SessionLog log;
    Recorder record;
    Turns turns;
    Inbox inbox;
    Supervisor supervisor;
    PostMortem post_mortem;

    Deadline deadline_of(std::int64_t timeout_ms) const;
    std::uint64_t new_request_id() { return next_id_.fetch_add(1, std::memory_order_relaxed); }

    /// The worker that there is now, alive or dead; none before the first start, and where the directory was removed.
    std::shared_ptr<worker::Worker> worker() const;
    bool is_alive() const;
    /// The same for the user, who is told of a death by it.
    bool look_whether_alive();
    /// The worker has said what it is, which is listened to now where nobody has. What comes from it before that is not
    /// looked for where it is.
    bool has_been_heard();
    /// The worker takes requests, and is not at work on one.
    bool is_ready();
    bool is_busy() const;
    channel::Channel& first() const { return *channels_.front(); }
    channel::Channel& channel(std::size_t i) const { return *channels_[i]; }
    /// @throws InputError, RestartError when there is no worker
    void require_worker(const worker::Worker* worker) const;
    /// Requests to this worker can be sent in it.
    bool is_open(const channel::Channel& channel, const worker::Worker& worker) const {
        return channel.is_first() || (channel.directory() != nullptr && channel.epoch() == worker.epoch());
    }
    /// Until the worker has said what it is and can; or has ended. Who waits for it in a call hears that first.
    /// @throws RestartError, TimeoutError
    void wait_for_hello(Deadline deadline);
    /// Until it has said that it takes requests.
    /// @throws RestartError, TimeoutError
    void wait_until_ready(Deadline deadline);
    /// The same in a call.
    /// @param own the caller's, which may be of the first channel
    /// @throws RestartError, TimeoutError
    void wait_for_hello(Conversation& own, worker::Worker& worker, Deadline deadline);
    /// A turn at the first channel; none after a moment in which another thread had it.
    Turns::Turn turn_to_hear(const worker::Worker& worker, Deadline deadline);
    /// Listens in the first channel when a stream has it that nobody reads just then.
    /// @returns whether the worker has been heard
    bool hear_parked(worker::Worker& worker);
    /// The worker has said hello in a channel.
    void heard(worker::Worker& worker, const channel::Channel& channel, const std::string& news);
    /// Makes a further channel ready for the worker.
    void open_further(channel::Channel& channel, const worker::Worker& worker);
    /// A request is about to be published in a channel: until it has ended, the worker may look up what is under the
    /// tags of this channel and of the first.
    void request_begins(const channel::Channel& channel, std::uint64_t request);
    void request_ended(const channel::Channel& channel, std::uint64_t request);
    /// @throws TimeoutError that says that others have the channels
    [[noreturn]] void throw_taken() const;
    void keep(const std::exception_ptr& error, const channel::Channel& channel, const worker::Worker* worker);
    /// What a worker has broken that shortens files which are mapped: it is killed then.
    std::optional<RestartError> damage(const worker::Worker* worker) const;
    /// An answer to this request, which was sent by hand, lies ready.
    bool answer_lies_ready(std::uint64_t request) const;
    /// There is none, nor will there be one, as the worker has ended; nobody has said so yet.
    bool answer_will_not_come(std::uint64_t request) const;
    /// @throws InputError that says who has sent requests, where this thread has not
    [[noreturn]] void throw_nothing_sent() const;
    /// @throws InputError for a request of which there is nothing to be read any more
    [[noreturn]] void throw_read_before(std::uint64_t request) const;
    /// There has been a worker, and it has ended.
    bool has_died() const;
    /// Adds the mailboxes that ring when an answer comes, or the worker ends.
    /// @returns false when a channel has none that is in use
    bool mailboxes(std::vector<std::shared_ptr<channel::Mailbox>>& found) const;
    /// Ends the waits of all threads, for them to look again.
    void wake_all() const;

    /// A descriptor that is readable while something_to_take() is true. There is none, and no thread, before the first
    /// call.
    int event_descriptor();
    /// An answer or a part of a stream that nobody waits for just then, the worker's death of which nobody has been
    /// told, or that it has said that it is ready, which nobody has heard.
    bool something_to_take() const;
    /// Something may have been taken, or left to be taken. With no lock held.
    void changed() const {
        if (auto* events = events_in_use_.load(std::memory_order_acquire)) events->update();
    }
    /// The same of a worker, or a channel, that takes the place of another.
    void place_changed() const {
        if (auto* events = events_in_use_.load(std::memory_order_acquire)) events->look_again();
    }
    /// The caller knows that this worker has ended.
    void death_is_told(const worker::Worker& worker) { told_death_of_.store(worker.epoch()); }
    std::atomic<int> streams_with_more{0};  ///< whose next tensor, or end, has come with the part read last

    void start(Deadline deadline);
    void restart(Deadline deadline);
    void please_exit(std::int64_t timeout_ms, bool ensure);
    void terminate();
    /// As the destructor does it: a worker that is idle is asked to exit, one at work is ended.
    void stop() noexcept;
    void join();

    /// `attempt()`, with as many workers as the policy allows.
    template <class Attempt>
    auto recovering(Conversation& conversation, Deadline deadline, Attempt attempt) {
        bool gone = supervisor.recovers() && worker_is_gone(conversation);
        for (int left = options.restart.attempts;;) {
            try {
                if (gone && left > 0) {
                    --left;
                    start_again(conversation, deadline);
                }
                return attempt();
            } catch (const RestartError& error) {
                if (left == 0 || !error.may_retry()) throw;
                gone = worker_is_gone(conversation) || directory_is_gone(conversation);
                if (!gone) throw;
            }
        }
    }
    /// @throws InputError when the request is in quarantine
    void refuse_quarantined(const std::string& message, const std::vector<TensorView>& tensors) const;

    /// That of the session; before there is one, where it will be.
    std::string directory() const;
    SessionStats stats() const;
    /// Of the request in flight, the oldest of several.
    std::string progress() const;
    WorkerHealth probe() const;

    /// An event of this session, with what is known of its worker.
    SessionEvent event(SessionEvent::Kind kind, const worker::Worker* worker) const;

    /// Has this done beside the caller.
    template <class Result>
    auto submit(const std::string& what, Deadline deadline, typename AsyncCallFor<Result>::Work work) {
        const auto call = std::make_shared<AsyncCallFor<Result>>(what, deadline, std::move(work), [this] {
            wake_all();
            turns.wake();
            async.wake();
        });
        auto future = call->future();
        async.submit(call);
        return std::pair(std::move(future), std::shared_ptr<AsyncCall>(call));
    }

    AsyncCalls async;  ///< last: its threads use all the others

  private:
    friend class Starting;
    void bring_up(Deadline limit);
    void start_worker(Deadline limit);
    void check_wanted() const;
    void hear_of_an_exit(const worker::Worker& worker, Deadline deadline);
    void forget_vanished_directory();
    bool worker_is_gone(const Conversation& conversation) const;
    bool directory_is_gone(const Conversation& conversation) const;
    void start_again(Conversation& conversation, Deadline deadline);
    void close_channels();
    void set_worker(std::shared_ptr<worker::Worker> worker);

    const std::uint32_t fork_generation_ = platform::fork_generation();
    const std::int64_t owner_pid_;
    const bool attached_;
    std::unique_ptr<worker::Launcher> launcher_;
    std::vector<std::unique_ptr<channel::Channel>> channels_;
    mutable std::mutex mutex_;  ///< over the next two
    std::shared_ptr<worker::Worker> worker_;
    bool directory_lost_ = false;  ///< it was removed, and no worker has been started since
    std::atomic<std::uint64_t> next_id_{1};
    std::atomic<std::uint64_t> told_death_of_{0};
    std::mutex events_mutex_;
    std::unique_ptr<EventDescriptor> events_;
    std::atomic<EventDescriptor*> events_in_use_{nullptr};
};

}  // namespace tr::session
