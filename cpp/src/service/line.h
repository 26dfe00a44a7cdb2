#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "platform/deadline.h"
#include "session/async_calls.h"
#include "tech_renaissance/service/pool.h"

namespace tr::service {

struct Slot;
class Place;

/// A call that waits for a worker: a thread that is in it, or a submit().
struct Waiter {
    enum class State {
        outside,
        at_gate,  ///< waits for a place in the queue
        queued,
        given,    ///< has a place in `slot`
        refused,  ///< is not to be made: `refusal`
    };

    detail::PoolTerms terms;
    platform::Deadline deadline = platform::Deadline::never();
    std::shared_ptr<session::AsyncCall> call;  ///< of a submit()
    State state = State::outside;
    std::uint64_t number = 0;  ///< in the order of coming
    std::shared_ptr<Slot> slot;
    std::uint64_t generation = 0;
    std::shared_ptr<Place> place;  ///< of a submit(): where it takes over its place
    std::exception_ptr refusal;
    std::condition_variable changed;  ///< for a thread that waits with it
};

/// Calls that wait for a worker, higher priorities first, then in the order of coming: so many in the queue, the others
/// at its gate. With the mutex of the pool.
class Line {
  public:
    using One = std::shared_ptr<Waiter>;

    explicit Line(std::size_t most) : most_(most) {}

    bool has_room() const { return queue_.size() < most_; }
    /// To the end of its priority: into the queue, or before the gate where that is full.
    void enter(const One& waiter);
    /// Takes it out, wherever it is; the best of those at the gate then comes in.
    void leave(const One& waiter);

    std::size_t queued() const { return queue_.size(); }
    std::size_t at_gate() const { return gate_.size(); }
    std::size_t longest() const { return longest_; }
    bool is_empty() const { return queue_.empty() && gate_.empty(); }
    /// The first in the queue for which it holds; none where there is none.
    One find(const std::function<bool(const Waiter&)>& holds) const;
    /// The same, also at the gate.
    One find_any(const std::function<bool(const Waiter&)>& holds) const;
    /// When the next of the submitted calls ends by its limit.
    platform::Deadline next_deadline() const;

  private:
    struct Order {
        bool operator()(const One& a, const One& b) const {
            return a->terms.priority != b->terms.priority ? a->terms.priority > b->terms.priority
                                                          : a->number < b->number;
        }
    };
    using Ordered = std::set<One, Order>;
    static One first_in(const Ordered& calls, const std::function<bool(const Waiter&)>& holds);
    void put_into_queue(const One& waiter);

    const std::size_t most_;
    std::uint64_t numbers_ = 0;
    std::size_t longest_ = 0;
    Ordered queue_;
    Ordered gate_;
};

}  // namespace tr::service
