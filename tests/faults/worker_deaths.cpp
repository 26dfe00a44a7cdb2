// Workers, and templates of workers, that die at each of their steps; the host has to notice and to go on.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "cell.h"
#include "drive.h"
#include "faults.h"

namespace tr::faults {
namespace {

namespace fs = std::filesystem;

/// What the text says the worker was at; every reason has to say it.
std::string phase_in(const std::string& text) {
    for (const char* phase :
         {"before it was ready", "before it took request", "while it was at work on request", "while it was idle"})
        if (text.find(phase) != std::string::npos) return phase;
    throw Violation("the error does not say in which phase the worker died: " + text);
}

/// One session that loses its worker again and again.
class Victim {
  public:
    Victim(const Arguments& arguments, Cell& cell, bool quick_start)
        : arguments_(arguments),
          cell_(cell),
          session_(options_for(arguments, "victim", quick_start)),
          drive_(session_) {}

    /// @returns false when the worker did not come by that passage of the step
    bool kill(const std::string& who, int passage, bool wait_until_ready) {
        order_death(arguments_, who, cell_.step, passage);
        std::string outcome = "ended as asked";
        std::int64_t noticed = 0;
        try {
            drive_.everything(wait_until_ready);
        } catch (const RestartError& error) {
            noticed = monotonic_ns();
            if (std::string(error.what()).find(who == "worker" ? "SIGKILL" : "") == std::string::npos)
                throw Violation(std::string("the error does not name the signal: ") + error.what());
            outcome = "RestartError: died " + phase_in(error.what());
        }
        const auto died = time_of_death(arguments_);
        fs::remove(fault_file(arguments_));
        if (!died) return outcome == "ended as asked" ? false : throw Violation("the worker died of something else");
        ++cell_.kills;
        ++cell_.outcomes[outcome];
        if (noticed != 0) cell_.noticed_us.push_back((noticed - std::max(*died, drive_.call_began())) / 1000);
        return true;
    }

    /// In each of the ways in turn.
    void recover(int turn) {
        drive_.check_held();
        if (turn % 4 < 2) {
            session_.restart();
        } else {
            session_.terminate();
            session_.start();
        }
        drive_.some_calls();
        drive_.check_held();
        look_for_leftovers();
        if (turn % 2 == 0)
            session_.please_exit();
        else
            session_.terminate();
    }

    void end_with_force() { session_.terminate(); }

  private:
    /// Nothing of a dead process may stay in the directory, nor any descriptor in this one.
    void look_for_leftovers() {
        for (const auto& entry : fs::directory_iterator(session_.session_dir())) {
            const std::string name = entry.path().filename().string();
            for (const std::string prefix : {".tmp-", ".worker-"})
                if (name.rfind(prefix, 0) == 0 &&
                    !fs::exists("/proc/" + std::to_string(std::atoll(name.c_str() + prefix.size()))))
                    cell_.violation(cell_.leaked, "left in the session directory: " + name);
        }
        const std::size_t descriptors = count_entries("/proc/self/fd");
        // A template that lives takes one; where it has just died, the worker was started plainly.
        const auto first = descriptors_.emplace(session_.stats().start == "template", descriptors).first->second;
        if (descriptors > first) cell_.violation(cell_.leaked, std::to_string(descriptors - first) + " descriptors");
    }

    const Arguments& arguments_;
    Cell& cell_;
    PythonSession session_;
    Drive drive_;
    std::map<bool, std::size_t> descriptors_;  ///< after the first start from a template, and the first without
};

/// The host may be the one that dies of this: then the table has no such cell, which is a failure of the run.
void kill_often(const Arguments& arguments, Cell& cell, const std::string& who, int kills, int passages,
                bool quick_start) {
    auto victim = std::make_unique<Victim>(arguments, cell, quick_start);
    for (int i = 0; i < kills; ++i) {
        try {
            // A later passage may depend on timing; the first does not.
            if (!victim->kill(who, 1 + i % passages, i % 2 == 0) && !victim->kill(who, 1, true))
                throw Violation("the worker never came by this step");
            victim->recover(i);
        } catch (const TimeoutError& error) {
            cell.violation(cell.hung, error.what());
            victim = std::make_unique<Victim>(arguments, cell, quick_start);
        } catch (const std::exception& error) {
            cell.violation(cell.lost, error.what());
            victim = std::make_unique<Victim>(arguments, cell, quick_start);
        }
    }
}

}  // namespace

int worker_deaths(const Arguments& arguments) {
    order_death(arguments, "worker", "", 0);
    {
        PythonSession session(options_for(arguments, "trace", false));
        Drive(session).everything(true);
    }
    for (const auto& [step, passages] : chosen_steps(arguments, fault_file(arguments) + ".trace")) {
        Cell cell;
        cell.who = "worker";
        cell.carrier = arguments.carrier;
        cell.step = step;
        // Most are forked from a template, which is quicker; a worker started plainly has the same steps.
        const int plain = (arguments.kills + 3) / 4;
        kill_often(arguments, cell, "worker", plain, passages, false);
        kill_often(arguments, cell, "worker", arguments.kills - plain, passages, true);
        cell.print();
    }
    return 0;
}

int template_deaths(const Arguments& arguments) {
    for (const char* step : {"fork requested", "worker forked", "reaping requested"}) {
        Cell cell;
        cell.who = "template";
        cell.carrier = arguments.carrier;
        cell.step = step;
        kill_often(arguments, cell, "template", arguments.kills, 1, true);
        cell.print();
    }
    return 0;
}

}  // namespace tr::faults
