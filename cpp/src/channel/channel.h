#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "channel/carrier.h"
#include "channel/directory.h"
#include "channel/exchange.h"
#include "channel/mailbox.h"
#include "channel/owner.h"
#include "channel/tensor_store.h"
#include "platform/deadline.h"
#include "protocol/records.h"
#include "tech_renaissance/channel/wake_up.h"

namespace tr::channel {

/// The request that is in flight.
struct Request {
    std::uint64_t id = 0;
    std::string command;
    Owner owner;
    platform::Deadline::Clock::time_point sent;
    std::optional<platform::Deadline::Clock::time_point> given_up{};  ///< when, if so
    std::string text{};                                               ///< what was sent; where failures are kept
    const std::vector<TensorView>* tensors = nullptr;  ///< a, b, c, ..., while the caller waits; likewise
    std::string identity{};                      ///< what tells it from other requests; where the quarantine needs that
    bool told = false;                           ///< whoever sent it knows that it was lost
    std::shared_ptr<std::exception_ptr> lost{};  ///< of a stream: where to put how it was lost
};

/// Whose request is in flight, for messages.
struct Sender {
    std::uint64_t request;
    std::string command;
    std::int64_t thread;  ///< its id; 0 when it has ended
};

/// One directory, and what moves through it: mailbox or message files, tags, leases, and one request in flight.
///
/// Its *holder* is the thread that has its turn; who else looks uses the methods that say so.
class Channel {
  public:
    /// What the two sides of it are; a snapshot.
    struct Facts {
        std::string carrier;         ///< "files" or "mailbox"
        std::string host_wake_up;    ///< tier on this side
        std::string worker_wake_up;  ///< tier on the other; empty until it is known
        std::string worker_mailbox;  ///< what the mailbox goes through there, "library" or "python"; empty without one
        std::string fallback;        ///< why a better one is not in use; empty when nothing was given up
    };

    /// @param first of its worker: which carrier it is, is known when the worker has said hello
    explicit Channel(bool first) : first_(first) {}
    ~Channel() { leave(); }
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    bool is_first() const { return first_; }

    // ------------------------------------------------------------------------------------------ for its holder alone

    Directory* directory() const { return directory_.get(); }
    bool is_there() const { return directory_ && directory_->is_there(); }
    /// Puts it into a directory, with no tensors in it.
    void move_into(std::unique_ptr<Directory> directory);
    /// Lets go of everything.
    void leave();

    /// Sets up what this side can do, for a worker that is about to start.
    /// @returns the carriers on offer, best first
    /// @throws InputError when `wake_up` forces what does not work here
    std::vector<std::string> open(WakeUp wake_up, std::uint64_t epoch, std::int64_t busy_wait_us);
    /// The same for one more channel of a worker that runs: what the first one uses is in use at once.
    /// @param first mailbox of the worker's first channel; empty: it uses the files
    void open_further(WakeUp wake_up, std::uint64_t epoch, std::shared_ptr<Mailbox> mailbox,
                      const std::shared_ptr<Mailbox>& first);
    std::uint64_t epoch() const { return epoch_; }

    /// Looks whether the worker has said that it serves this channel.
    /// @returns what it says of itself, for the log; nothing when it has not, or that was known
    /// @throws InputError when it makes no sense, RetryError when the worker refuses the channel
    std::optional<std::string> hear();
    /// A request of this version's can be understood: the worker has said hello, or is known from its first channel.
    bool is_understood() const { return !first_ || (ready() && hello_.has_value()); }
    /// The worker has, or may have, seen the request in flight.
    bool request_was_taken() const;

    Carrier& carrier() const { return *carrier_; }
    const std::shared_ptr<TensorStore>& tensors() const { return tensors_; }
    /// Of the request in flight; none when idle.
    const std::optional<Request>& request() const { return request_; }
    Exchange state() const { return state_; }
    /// Has `published` happen.
    void begin(Request request);
    void happened(Event event);
    /// Changes what is known of the request in flight.
    void note(const std::function<void(Request&)>& change);
    /// Tells the worker that the answer to the request in flight is not wanted any more.
    void cancel();

    // ------------------------------------------------------------------------------------------------ for any thread

    /// The worker has said hello, or is of an older kind and ready.
    bool ready() const { return ready_.load(std::memory_order_acquire); }
    /// A request is in flight that has no answer yet.
    bool is_busy() const;
    /// An answer to this request lies ready.
    bool answer_pending(std::uint64_t request) const;
    /// This request is in flight without one, and nobody who may read it has been told of the worker's death.
    bool answer_is_missing(std::uint64_t request) const;
    /// Somebody may read what has come of an answer; or, of a dead worker, has not been told that none comes.
    bool waits_to_be_read(bool dead) const;
    /// The id of the request in flight and the thread that sent it; nothing when there is none.
    std::optional<Sender> sender() const;
    /// A request is in flight by which a worker may leave.
    bool is_asked_to_leave() const;
    /// An answer lies ready, whether somebody waits for it or not.
    bool answer_lies_ready() const;
    /// Since when the request in flight is unanswered; nothing when there is none.
    std::optional<platform::Deadline::Clock::time_point> busy_since() const;
    /// What the server has said itself of the request in flight; empty when it has not. With a mailbox the file is read
    /// when it has changed since the last time.
    std::string progress() const;
    /// A worker that has not said hello, but has written a status like one that serves.
    bool has_status_of_a_server() const;
    std::shared_ptr<TensorStore> shared_tensors() const;
    std::shared_ptr<Mailbox> mailbox() const;  ///< where it is in use
    std::vector<std::shared_ptr<Carrier>> carriers() const;
    std::optional<protocol::Hello> hello() const;
    bool worker_has(std::string_view feature) const;  ///< as its hello says
    /// What the worker offers; nothing before it has said so.
    std::shared_ptr<const protocol::Endpoints> endpoints() const;
    Facts facts() const;
    std::string path() const;
    std::string name() const;  ///< of a further one
    /// Of the worker's first channel, where this is a further one that uses the mailbox.
    std::shared_ptr<Mailbox> bell() const;

  private:
    void set_up(std::shared_ptr<Mailbox> mailbox, std::shared_ptr<Carrier> files, std::string fallback);
    std::string take_hello(protocol::Hello hello);
    std::string read_progress() const;

    const bool first_;
    mutable std::mutex mutex_;  ///< what other threads may look at is written with it held
    std::unique_ptr<Directory> directory_;
    std::shared_ptr<TensorStore> tensors_;
    std::shared_ptr<Mailbox> mailbox_;
    std::shared_ptr<Mailbox> bell_;             ///< of the worker's first channel, of a further one
    std::shared_ptr<Carrier> carrier_;          ///< the one in use
    std::shared_ptr<Carrier> mailbox_carrier_;  ///< for a worker that says it uses it; else empty
    WakeUp wake_up_ = WakeUp::automatic;
    std::uint64_t epoch_ = 0;
    std::optional<protocol::Hello> hello_;
    std::string fallback_;
    std::atomic<bool> ready_{false};  ///< from here on carrier_ stays what it is until the next open()
    Exchange state_ = Exchange::idle;
    std::optional<Request> request_;
    mutable std::uint32_t progress_state_ = 0;  ///< of the mailbox, as progress_ was read; 0: it was not
    mutable std::string progress_;
};

}  // namespace tr::channel
