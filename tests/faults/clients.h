#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "drive.h"
#include "processes.h"

namespace tr::faults {

/// The session of which the clients of these tests take channels.
inline constexpr const char* kSharedSession = "shared";

/// Each on a thread of its own.
/// @throws what the first one that failed did
void on_threads(std::size_t count, const std::function<void(std::size_t)>& task);

/// Sessions of one program with one worker, each used by a thread of its own.
class Users {
  public:
    /// @param named what a RestartError has to name when the worker ends
    /// @param busy they make calls without a pause, and not only when they are asked to
    Users(std::string named, bool busy) : named_(std::move(named)), busy_(busy) {}
    ~Users();
    Users(const Users&) = delete;
    Users& operator=(const Users&) = delete;

    /// Answers `w` when each session has made all its calls once more, `e` when each has ended with a RestartError, `a`
    /// when each has restarted and made its calls; `p` tells the worker's process. Returns at `q`.
    void live(const Program::Line& line);

    std::deque<PythonSession> sessions;

  private:
    struct User {
        int rounds = 0;
        std::int64_t ended = 0;
    };

    void begin();
    void use(std::size_t which);
    void wait_for_rounds();
    void wait_for_ends();
    void restart();
    void stop();

    const std::string named_;
    const bool busy_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<User> users_;
    std::string violation_;
    int wanted_ = 0;  ///< rounds, where they are not busy
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

/// The life of the program that owns the worker.
void be_owner(const Arguments& arguments, bool busy, const Program::Line& line);
/// The life of one with so many clients.
void be_clients(const Arguments& arguments, bool busy, pid_t owner, int count, const Program::Line& line);

}  // namespace tr::faults
