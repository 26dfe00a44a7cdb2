#pragma once

#include <sys/types.h>

#include <functional>
#include <set>
#include <stdexcept>
#include <string>

#include "drive.h"

namespace tr::faults {

/// Something did not come to its end.
struct Hung : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline constexpr unsigned kHungSeconds = 10;

/// Whoever a dead child leaves behind becomes a child of this process from here on, so that nobody is overlooked.
void adopt_orphans();
/// Waits for kHungSeconds.
/// @param which as of waitpid
/// @returns what waitpid does; -1 with EINTR when the time is over
pid_t wait_for_child(pid_t which, int& status);
/// Names in the workspace that are none of these, once a start has cleared it.
std::set<std::string> left_in_workspace(const Arguments& arguments, std::set<std::string> expected);

/// A child of this process, which is asked one thing after the other.
class Program {
  public:
    /// Its end of the line.
    class Line {
      public:
        explicit Line(int socket) : socket_(socket) {}
        /// The next question, a letter.
        char question() const;
        void answer(const std::string& text) const;

      private:
        int socket_;
    };

    /// @param live what the child does; an exception is its last answer
    explicit Program(const std::function<void(const Line&)>& live);
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    pid_t pid() const { return pid_; }
    void ask(char question) const;
    /// @throws Violation with what an exception of the child says, Hung when there is none
    std::string answer() const;
    std::string ask_for(char question) const;
    /// SIGKILL, and the end of it.
    void kill();
    /// Until it has ended by itself, or of a signal.
    /// @returns the status as of waitpid
    int wait();

  private:
    int socket_ = -1;
    pid_t pid_ = 0;
};

}  // namespace tr::faults
