// Hosts that die at each of their steps. Their workers have to leave, and the next start in the workspace has to clear
// away what is left, while a live session in the same workspace is not touched.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>

#include "cell.h"
#include "drive.h"
#include "faults.h"
#include "processes.h"

namespace tr::faults {
namespace {

constexpr std::int64_t kWorkerLeavesMs = 1'000;

void write_trace(const Arguments& arguments) {
    std::ofstream file(fault_file(arguments) + ".trace");
    for (const auto& [step, count] : passages()) file << step << '\t' << count << '\n';
}

/// A host to the end of its session, or of its life.
void be_host(const Arguments& arguments, const std::string& step, int passage) {
    arm(step, passage, fault_file(arguments) + ".died");
    {
        PythonSession session(options_for(arguments, "doomed", arguments.who == "quick"));
        Drive(session).everything(passage % 2 == 0);
    }
    if (step.empty()) write_trace(arguments);
}

/// A session of another process in the same workspace, and questions to it through a pipe.
class Neighbour {
  public:
    Neighbour() {
        if (::pipe2(question_.data(), O_CLOEXEC) != 0 || ::pipe2(answer_.data(), O_CLOEXEC) != 0)
            throw std::runtime_error("pipe");
    }

    /// In the process that asks.
    void face() {
        ::close(question_[0]);
        ::close(answer_[1]);
    }
    void require_well() const {
        char sign = '?';
        if (::write(question_[1], &sign, 1) != 1 || ::read(answer_[0], &sign, 1) != 1 || sign != '!')
            throw Violation("a live session beside the dead one was disturbed");
    }

    /// In the process that answers, until the other one has ended.
    void live(const Arguments& arguments) const {
        ::close(question_[1]);
        ::close(answer_[0]);
        PythonSession session(options_for(arguments, "neighbour", false));
        session.start();
        session.wait_until_ready();
        Drive drive(session);
        char sign = 0;
        while (::read(question_[0], &sign, 1) == 1) {
            drive.some_calls();
            sign = '!';
            if (::write(answer_[1], &sign, 1) != 1) break;
        }
    }

  private:
    std::array<int, 2> question_{};
    std::array<int, 2> answer_{};
};

class Executioner {
  public:
    Executioner(const Arguments& arguments, const Neighbour& neighbour) : arguments_(arguments), neighbour_(neighbour) {
        adopt_orphans();
    }

    void trace() {
        neighbour_.require_well();
        const pid_t child = ::fork();
        if (child == 0) be_child("", 0);
        int status = 0;
        ::waitpid(child, &status, 0);
        if (status != 0) throw Violation("a host that was to live ended with status " + std::to_string(status));
    }

    void kill_often(Cell& cell, int passages) {
        for (int i = 0; i < arguments_.kills; ++i) {
            try {
                if (!kill(cell, 1 + i % passages) && !kill(cell, 1))
                    throw Violation("the host never came by this step");
                neighbour_.require_well();
                // Every other time the next host, whose session has the same id, is the first to come by.
                if (i % 2 == 0 || i + 1 == arguments_.kills) look_for_leftovers(cell);
            } catch (const std::exception& error) {
                cell.violation(cell.lost, error.what());
            }
        }
    }

  private:
    [[noreturn]] void be_child(const std::string& step, int passage) {
        try {
            be_host(arguments_, step, passage);
            ::_exit(0);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "host (%s, %d): %s\n", step.c_str(), passage, error.what());
            ::_exit(1);
        }
    }

    /// @returns false when the host did not come by that passage of the step
    bool kill(Cell& cell, int passage) {
        const pid_t host = ::fork();
        if (host == 0) be_child(cell.step, passage);
        int status = 0;
        if (wait_for_child(host, status) != host) {
            cell.violation(cell.hung, "the host hangs");
            ::kill(host, SIGKILL);
            ::waitpid(host, &status, 0);
        }
        const auto died = time_of_death(arguments_);
        if (!died && status == 0) return false;
        if (!died || !WIFSIGNALED(status)) throw Violation("the host failed, with status " + std::to_string(status));
        ++cell.kills;
        wait_for_orphans(cell, *died);
        return true;
    }

    void wait_for_orphans(Cell& cell, std::int64_t died) {
        int orphans = 0;
        for (;;) {
            int status = 0;
            const pid_t found = wait_for_child(-1, status);
            if (found > 0) {
                ++orphans;
                continue;
            }
            if (errno == ECHILD) break;
            cell.violation(cell.hung, "an orphan lives " + std::to_string(kHungSeconds) + " s after its host");
            return;
        }
        const std::int64_t took_us = (monotonic_ns() - died) / 1000;
        cell.noticed_us.push_back(took_us);
        ++cell.outcomes[orphans == 0 ? "nobody was left" : "all it had started left"];
        if (took_us > kWorkerLeavesMs * 1000)
            cell.violation(cell.hung, "the last orphan left after " + std::to_string(took_us / 1000) + " ms");
    }

    void look_for_leftovers(Cell& cell) const {
        for (const auto& name : left_in_workspace(arguments_, {"tr_session_neighbour"}))
            cell.violation(cell.leaked, "left in the workspace: " + name);
    }

    const Arguments& arguments_;
    const Neighbour& neighbour_;
};

}  // namespace

/// The executioner has to see the end of all its children, so the neighbour is its parent.
int host_deaths(const Arguments& arguments) {
    Neighbour neighbour;
    const pid_t child = ::fork();
    if (child != 0) {
        neighbour.live(arguments);
        int status = 0;
        ::waitpid(child, &status, 0);
        return status == 0 ? 0 : 1;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    neighbour.face();
    Executioner executioner(arguments, neighbour);
    executioner.trace();
    for (const auto& [step, passages] : chosen_steps(arguments, fault_file(arguments) + ".trace")) {
        Cell cell;
        cell.who = "host";
        cell.carrier = arguments.carrier;
        cell.step = step;
        executioner.kill_often(cell, passages);
        cell.print();
    }
    ::_exit(0);
}

}  // namespace tr::faults
