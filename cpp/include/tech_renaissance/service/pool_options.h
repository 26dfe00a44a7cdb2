#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tech_renaissance/export.h"
#include "tech_renaissance/session/session_stats.h"
#include "tech_renaissance/worker/session_options.h"

namespace tr {

/// What a pool is started with. A plain value; every field has a default that works.
struct TR_API PoolOptions {
    enum class WhenFull {
        wait,    ///< a call waits, on its own thread, for a place in the queue
        refuse,  ///< OverloadedError
    };
    enum class Balance {
        least_busy,   ///< the worker with the fewest calls at work
        round_robin,  ///< one after the other, those at their most left out
    };
    enum class OnDeath {
        fail,    ///< RestartError, as nobody can tell what effect the call had
        repeat,  ///< it is made again, on another worker
    };

    /// Of every worker. An id that is given gets "-0", "-1", ... behind it. `max_ongoing_requests` is how many calls a
    /// worker has at a time. `log` and `observer` hear of all workers, several at a time.
    ///
    /// `restart` is how a dead worker is replaced, in the background: `attempts` says how many starts in a row may fail
    /// before the worker leaves the pool (0: five); the back-off is as it is there; `idempotent` names commands that
    /// may be run twice. A call that was at work in `quarantine_after` deaths, in whichever workers, is refused.
    SessionOptions session;
    int workers = 2;
    /// Calls that may wait for a worker.
    int max_queue_size = 64;
    WhenFull when_full = WhenFull::wait;
    Balance balance = Balance::least_busy;
    /// What becomes of a call that was at work in a worker that died. One that the worker had not taken is made on
    /// another one in any case, and one whose command `session.restart.idempotent` names is always repeated.
    OnDeath on_death = OnDeath::fail;
    /// How often a call that was at work is repeated, at most.
    int max_repeats = 2;
    /// How many threads the libraries in a worker are to use: OMP_NUM_THREADS, MKL_NUM_THREADS and OPENBLAS_NUM_THREADS
    /// of its environment. 0: the cores of this machine divided by `workers`, at least 1, unless the environment of
    /// this program has one of the three. What `session` sets or removes of them, or worker_environment sets, stays.
    int threads_per_worker = 0;
    /// Added to the environment of worker i: the entry i of these, from the first again where there are more workers:
    /// {{{"PORT", "8000"}}, {{"PORT", "8001"}}}.
    std::vector<std::map<std::string, std::string>> worker_environment;
    /// What each worker is to have of this machine. It is told by variables of its environment; those that `session`,
    /// worker_environment or, of the cores, the environment of this program sets stay.
    struct Resources {
        /// Cores: as threads_per_worker, but no more than there are for all. 0: nothing is said.
        int cpu = 0;
        /// NVIDIA GPUs, as CUDA_VISIBLE_DEVICES: one after the other of those in that of this program, or of all that
        /// there are. 0.5: two workers have one together. An InputError where there are not enough. 0: nothing is said.
        double gpu = 0;
    };
    Resources resources;
};

struct TR_API PoolWorkerStats {
    int number = 0;
    std::string session_id;
    /// "starting" (or being replaced), "ready" (idle), "busy", "leaving" (takes no more calls), "failed" (has left the
    /// pool, see `error`), "stopped".
    std::string state;
    std::int64_t pid = 0;
    int in_flight = 0;
    std::uint64_t calls = 0;     ///< that have ended, streams among them
    std::uint64_t failures = 0;  ///< of these, with an exception
    std::uint64_t restarts = 0;  ///< in place of one that had died, or by reload()
    std::uint64_t epoch = 0;     ///< counts its starts
    int threads = 0;             ///< OMP_NUM_THREADS in it; 0: not set, or no number
    std::string gpus;            ///< CUDA_VISIBLE_DEVICES in it
    std::string error;           ///< why it could not be started
};

/// What a pool has done so far and how; a snapshot.
struct TR_API PoolStats {
    std::vector<PoolWorkerStats> workers;
    int in_flight = 0;          ///< calls at work
    int queued = 0;             ///< calls that wait for a worker
    int longest_queue = 0;      ///< so far
    int waiting_for_place = 0;  ///< calls that wait for a place in the queue
    std::uint64_t calls = 0;    ///< these four with workers that have left
    std::uint64_t failures = 0;
    std::uint64_t restarts = 0;
    std::uint64_t repeated = 0;                 ///< calls made again as a worker had died, counted each time
    std::uint64_t refused = 0;                  ///< calls that were not made: OverloadedError
    double mean_call_us = 0;                    ///< of the last calls, at work
    std::map<std::string, BatchStats> batches;  ///< of the workers that there are, see SessionStats
    /// Calls that are refused because they have ended workers.
    std::vector<std::string> quarantined;
};

}  // namespace tr
