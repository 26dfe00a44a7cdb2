#pragma once

#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include "drive.h"

namespace tr::faults {

/// What a soaking host has done so far, in a file that the driver maps as well, so that it outlives the host.
struct Progress {
    std::atomic<std::uint64_t> sent, answered, refused, failed, wrong, timed_out, sessions, worker_kills, worker_stops,
        restarts, streams_cancelled, bytes;
};

/// Maps the file of this path, made with its size by the driver.
Progress& map_progress(const std::string& path);

/// Random requests of one thread to a session that others use, kill and restart meanwhile.
class Soaker {
  public:
    /// @param tag a tensor's, which no other thread uses
    Soaker(PythonSession& session, Progress& progress, std::string tag, std::uint64_t seed)
        : session_(session), progress_(progress), tag_(std::move(tag)), random_(seed) {}

    void one_request();

  private:
    Tensor random_tensor();
    std::size_t below(std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_); }
    void request();
    void restart();
    void echo();
    void send_back();
    void asynchronously();
    void from_shared_memory();
    void stream();
    void fail();
    void require_equal(const Tensor& found, const Tensor& expected);

    PythonSession& session_;
    Progress& progress_;
    std::string tag_;
    std::mt19937_64 random_;
};

/// Of a pool whose workers run calls in batches.
PoolOptions soak_pool_options(SessionOptions session, bool repeats);

/// Random calls of one thread to a pool that others use, and whose workers die meanwhile.
class PoolSoaker {
  public:
    PoolSoaker(const Pool& pool, Progress& progress, std::uint64_t seed)
        : pool_(pool), progress_(progress), random_(seed) {}

    void one_request();

  private:
    void request();
    void map(const Tensor& rows);

    const Pool& pool_;
    Progress& progress_;
    std::mt19937_64 random_;
};

}  // namespace tr::faults
