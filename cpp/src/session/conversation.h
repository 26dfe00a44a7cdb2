#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "channel/channel.h"
#include "platform/deadline.h"
#include "protocol/message.h"
#include "session/inbox.h"
#include "session/turns.h"
#include "tech_renaissance/data/tensor_view.h"
#include "tech_renaissance/utils/tr_exception.h"
#include "worker/liveness.h"
#include "worker/worker.h"

namespace tr::session {

class Core;

/// What a wait is for, as messages say it.
struct Purpose {
    const char* text;
    bool unsent = false;  ///< the caller's request has not gone out yet
    bool asks = false;    ///< whether it comes about in time is the question: that it does not is no failure
};

constexpr Purpose kForAnAnswer{"for an answer"};

/// A thread's hold on one channel of a session: from its turn to the end of this object it sends, waits and takes
/// answers there, and nobody else does.
class Conversation {
  public:
    using Deadline = platform::Deadline;

    /// For a new request, in whichever channel comes free first.
    /// @throws TimeoutError when other threads hold all of them for longer, InputError in the log callback
    Conversation(Core& core, Deadline deadline);
    /// In this turn; with none it holds nothing.
    Conversation(Core& core, Turns::Turn turn);
    /// For a start, which has all channels to itself.
    Conversation(Core& core, channel::Channel& channel);
    ~Conversation();
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    bool held() const { return static_cast<bool>(turn_); }
    Turns::Turn turn() const { return turn_; }
    channel::Channel& channel() const { return *channel_; }
    const std::shared_ptr<worker::Worker>& worker() const { return worker_; }
    /// Goes on with the worker that there is now.
    void renew();

    void park();
    /// @returns false when a start has taken the channel meanwhile
    bool resume();
    /// None has.
    bool still_held() const;

    /// @returns whether the worker has said that it takes requests
    bool hear();
    /// Blocks until `done()`.
    /// @throws RestartError, TimeoutError, what the interrupt check throws
    void wait_until(Deadline deadline, Purpose purpose, const std::function<bool()>& done);

    /// What the worker offers, which is waited for where it has not said so yet.
    /// @throws RestartError, TimeoutError
    std::shared_ptr<const protocol::Endpoints> endpoints(Deadline deadline);

    /// Sends a request; what was in flight before is waited for.
    /// @param handle of a request by hand
    void send(const std::string& message, const std::vector<TensorView>& tensors, Deadline deadline,
              const protocol::Attached& attached = {}, const std::shared_ptr<const void>& handle = {});
    /// The same with its tensors under the tags a, b, c, ...
    void begin(const std::vector<TensorView>& tensors, const std::string& message, Deadline deadline,
               const protocol::Attached& attached = {});
    /// One whole turn.
    Answer exchange(const std::vector<TensorView>& tensors, const std::string& message, Deadline deadline,
                    const protocol::Attached& attached = {});
    /// The whole answer: of a stream, the tensors of all its parts.
    Answer receive(Deadline deadline, Purpose purpose = kForAnAnswer);
    Answer receive_part(Deadline deadline, Purpose purpose = kForAnAnswer);
    /// The answer to a request that was sent by hand: one that was kept, else that to the request in flight.
    Answer answer_to(std::uint64_t request, Deadline deadline, Purpose purpose);
    /// @returns the answer, or throws what it carries
    Answer checked(Answer answer);
    /// Whoever sent the request in flight waits no longer, and the worker is told.
    void give_up() noexcept;
    /// Before a new worker starts: an answer of the old one that has come whole still counts, and whoever sent a
    /// request that is lost gets to know.
    void settle_lost();
    /// There is nobody left to answer the request in flight, and nothing to be told of it.
    void forget_request();

    RestartError death(bool unsent);
    void throw_if_damaged();
    std::optional<RestartError> damage();
    /// Notes a failure, and throws it.
    template <class Error>
    [[noreturn]] void fail(const Error& error) {
        note_failure(std::make_exception_ptr(error));
        throw error;
    }
    TimeoutError timeout(const char* purpose, const worker::Liveness& found, bool of_start = false) const;

  private:
    void require_worker() const;
    void require_channel(Deadline deadline);
    void drop_stray_answer();
    void require_features(const protocol::Request& wire, const protocol::Attached& attached, Deadline deadline);
    void settle_previous(Deadline deadline);
    std::optional<Answer> take_answer();
    Answer read_answer(protocol::Response response);
    RestartError vanished() const;
    [[noreturn]] void fail_as_vanished();
    void leave_further();
    void name_tensors() noexcept;
    void note_failure(const std::exception_ptr& error, bool keep = true);
    void happened(channel::Event event);

    Core& core_;
    Turns::Turn turn_;
    channel::Channel* channel_;
    std::shared_ptr<worker::Worker> worker_;
    std::uint64_t asked_for_ = 0;  ///< the request whose answer the caller may read, and waits for
};

/// @throws InputError when there is none
std::vector<Tensor> tensors_of(Answer answer);

}  // namespace tr::session
