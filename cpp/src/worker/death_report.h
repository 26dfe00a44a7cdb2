#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "tech_renaissance/utils/tr_exception.h"
#include "worker/worker.h"

namespace tr::worker {

/// What is known of a worker that was found dead, and of the request that it had.
struct Death {
    std::string session_id;
    struct Request {
        std::uint64_t id = 0;
        std::string command;
        bool taken = false;       ///< the worker has, or may have, seen it
        bool idempotent = false;  ///< it may be run twice
        int deaths = 0;           ///< it was at work in so many and is refused from now on; 0: it is not
    };
    std::optional<Request> request;
    bool of_older_kind = false;         ///< it was one of the older bridge
    bool unsent = false;                ///< the caller's request has not gone out
    bool on_purpose = false;            ///< please_exit() or terminate() ended it
    bool being_replaced = false;        ///< a restart() is under way
    bool next_call_starts = false;      ///< by the policy
    std::string removed_directory;      ///< where it has been; empty while it is there
    std::string progress;               ///< what the server said last of the request
    std::optional<std::string> remedy;  ///< what another than the session or its user does about it
    std::string unfit;                  ///< why the interpreter cannot be used
};

/// In words.
RestartError report(const Worker& worker, const Death& death);

/// The end of what the worker has printed, whole lines; empty when there is nothing to be found.
std::string log_tail(const Launched& launched, std::size_t max_bytes);

/// "; whether the request had an effect cannot be told", or that it may be sent again.
std::string effect(const std::string& command, bool idempotent);

/// "1 worker", "2 workers".
std::string workers(int count);

}  // namespace tr::worker
