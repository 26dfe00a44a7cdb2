#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "tech_renaissance/export.h"

namespace tr {

/// Something that happened in a session; SessionOptions::observer hears of each. The texts are valid during the call.
struct TR_API SessionEvent {
    enum class Kind {
        started,    ///< a worker process runs; not ready yet
        ready,      ///< it has said that it takes requests
        sent,       ///< a request has been published
        answered,   ///< an answer, or a part of one, has come and been read; also one that says what failed
        failed,     ///< a call ends with an exception: an answer that says so, a limit that passed, a death, ...
        died,       ///< a worker was found dead that was not ended on purpose
        restarted,  ///< another one has been started in the place of one that ended
    };
    Kind kind = Kind::started;
    std::chrono::steady_clock::time_point time;
    std::string_view session_id;
    std::uint64_t epoch = 0;       ///< counts worker starts
    std::int64_t worker_pid = 0;   ///< 0 where there is none
    std::uint64_t request_id = 0;  ///< 0 where it is about none
    std::string_view command;      ///< of the request
    std::uint64_t bytes = 0;       ///< of the tensors that were sent with it or came, without headers
    double duration_us = 0;        ///< `answered`: since the request was sent
    std::string_view error;        ///< `failed`: code and message
};

/// "started", "ready", ...
TR_API std::string to_string(SessionEvent::Kind kind);

}  // namespace tr
