#pragma once

namespace tr::channel {

/// The states of a channel's one request on the host's side, as a table. No I/O, no clock, no lock.
enum class Exchange {
    idle,       ///< none is in flight
    in_flight,  ///< published; nothing of its answer has come
    streaming,  ///< parts of its answer have come, and its end has not
    given_up,   ///< its answer is to be dropped, should it still come
};

enum class Event {
    published,
    part_came,
    answered,  ///< whole
    gave_up,   ///< whoever sent it waits no longer
    lost,      ///< there is nobody left to answer it
};

/// @throws std::logic_error when this cannot happen in that state
Exchange after(Exchange state, Event event);

const char* to_string(Exchange state);
const char* to_string(Event event);

}  // namespace tr::channel
