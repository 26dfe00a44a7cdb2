// Workers, and templates of workers, that die at each of their steps; the host has to notice and to go on.
#include <algorithm>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <thread>

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

/// How one of several ended that use a session at the same time.
struct End {
    std::exception_ptr error;
    std::int64_t at = 0;
};

End attempt(const std::function<void()>& calls) {
    try {
        calls();
        return {};
    } catch (...) {
        return {std::current_exception(), monotonic_ns()};
    }
}

/// One session that loses its worker again and again, with so many requests in flight.
class Victim {
  public:
    Victim(const Arguments& arguments, Cell& cell, bool quick_start, int at_once)
        : arguments_(arguments),
          cell_(cell),
          session_(at_once == 1 ? options_for(arguments, "victim", quick_start)
                                : options_at_once(options_for(arguments, "victim", quick_start), at_once)) {
        for (int number = 0; number < at_once; ++number) drives_.emplace_back(session_, number);
    }

    /// From start() to please_exit(), or to where each of them failed.
    std::vector<End> everything(bool wait_until_ready) {
        std::vector<End> ends{attempt([&] { drives_[0].start(wait_until_ready); })};
        if (!ends[0].error) ends = together(&Drive::calls);
        if (std::none_of(ends.begin(), ends.end(), [](const End& end) { return end.error != nullptr; }))
            ends[0] = attempt([this] { drives_[0].end(); });
        return ends;
    }

    /// @returns false when the worker did not come by that passage of the step
    bool kill(const std::string& who, int passage, bool wait_until_ready) {
        order_death(arguments_, who, cell_.step, passage);
        const auto ends = everything(wait_until_ready);
        std::vector<std::string> outcomes;
        for (const auto& end : ends)
            if (end.error) outcomes.push_back(outcome_of(end, who));
        const auto died = time_of_death(arguments_);
        fs::remove(fault_file(arguments_));
        if (!died) return outcomes.empty() ? false : throw Violation("the worker died of something else");
        if (outcomes.empty()) outcomes.emplace_back("ended as asked");
        ++cell_.kills;
        for (const auto& outcome : outcomes) ++cell_.outcomes[outcome];
        std::int64_t longest = 0;
        for (std::size_t i = 0; i < ends.size(); ++i)
            if (ends[i].error) longest = std::max(longest, ends[i].at - std::max(*died, drives_[i].call_began()));
        if (longest != 0) cell_.noticed_us.push_back(longest / 1000);
        return true;
    }

    /// In each of the ways in turn.
    void recover(int turn) {
        check_held();
        if (turn % 4 < 2) {
            session_.restart();
        } else {
            session_.terminate();
            session_.start();
        }
        for (const auto& end : together(&Drive::some_calls))
            if (end.error) std::rethrow_exception(end.error);
        check_held();
        look_for_leftovers();
        if (turn % 2 == 0)
            session_.please_exit();
        else
            session_.terminate();
    }

  private:
    /// Each on a thread of its own, and all of them at work at the same time at first.
    std::vector<End> together(void (Drive::*calls)()) {
        std::vector<End> ends(drives_.size());
        if (drives_.size() == 1) {
            ends[0] = attempt([&] { (drives_[0].*calls)(); });
            return ends;
        }
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < drives_.size(); ++i)
            threads.emplace_back([&, i] {
                ends[i] = attempt([&] {
                    drives_[i].meet();
                    (drives_[i].*calls)();
                });
            });
        for (auto& thread : threads) thread.join();
        return ends;
    }

    /// @throws what it ended with when that is no death of a worker
    static std::string outcome_of(const End& end, const std::string& who) {
        try {
            std::rethrow_exception(end.error);
        } catch (const RestartError& error) {
            if (std::string(error.what()).find(who == "worker" ? "SIGKILL" : "") == std::string::npos)
                throw Violation(std::string("the error does not name the signal: ") + error.what());
            return "RestartError: died " + phase_in(error.what());
        }
    }

    void check_held() const {
        for (const auto& drive : drives_) drive.check_held();
    }

    /// Nothing of a dead process may stay in the directory, nor any descriptor in this one.
    void look_for_leftovers() {
        for (const auto& entry : fs::directory_iterator(session_.session_dir())) {
            const std::string name = entry.path().filename().string();
            for (const std::string prefix : {".tmp-", ".worker-"})
                if (name.rfind(prefix, 0) == 0 &&
                    !fs::exists("/proc/" + std::to_string(std::atoll(name.c_str() + prefix.size()))))
                    cell_.violation(cell_.leaked, "left in the session directory: " + name);
        }
        std::size_t channels = 0;
        for (const auto& entry : fs::directory_iterator(session_.session_dir() + "/channels")) {
            const std::string name = entry.path().filename().string();
            if (++channels >= drives_.size() || name[0] == '.')
                cell_.violation(cell_.leaked, "left among the channels: " + name);
        }
        const std::size_t descriptors = count_entries("/proc/self/fd");
        // A template that lives takes one; where it has just died, the worker was started plainly.
        const auto first = descriptors_.emplace(session_.stats().start == "template", descriptors).first->second;
        if (descriptors > first) cell_.violation(cell_.leaked, std::to_string(descriptors - first) + " descriptors");
    }

    const Arguments& arguments_;
    Cell& cell_;
    PythonSession session_;
    std::vector<Drive> drives_;
    std::map<bool, std::size_t> descriptors_;  ///< after the first start from a template, and the first without
};

/// The host may be the one that dies of this: then the table has no such cell, which is a failure of the run.
void kill_often(const Arguments& arguments, Cell& cell, const std::string& who, int kills, int passages,
                bool quick_start, int at_once) {
    auto victim = std::make_unique<Victim>(arguments, cell, quick_start, at_once);
    for (int i = 0; i < kills; ++i) {
        try {
            // A later passage may depend on timing; the first does not.
            if (!victim->kill(who, 1 + i % passages, i % 2 == 0) && !victim->kill(who, 1, true))
                throw Violation("the worker never came by this step");
            victim->recover(i);
        } catch (const TimeoutError& error) {
            cell.violation(cell.hung, error.what());
            victim = std::make_unique<Victim>(arguments, cell, quick_start, at_once);
        } catch (const std::exception& error) {
            cell.violation(cell.lost, error.what());
            victim = std::make_unique<Victim>(arguments, cell, quick_start, at_once);
        }
    }
}

int deaths_at_each_step(const Arguments& arguments, const std::string& who, int at_once) {
    Cell trace;
    order_death(arguments, "worker", "", 0);
    for (const auto& end : Victim(arguments, trace, false, at_once).everything(true))
        if (end.error) std::rethrow_exception(end.error);
    for (const auto& [step, passages] : chosen_steps(arguments, fault_file(arguments) + ".trace")) {
        Cell cell;
        cell.who = who;
        cell.carrier = arguments.carrier;
        cell.step = step;
        // Most are forked from a template, which is quicker; a worker started plainly has the same steps.
        const int plain = (arguments.kills + 3) / 4;
        kill_often(arguments, cell, "worker", plain, passages, false, at_once);
        kill_often(arguments, cell, "worker", arguments.kills - plain, passages, true, at_once);
        cell.print();
    }
    return 0;
}

}  // namespace

int worker_deaths(const Arguments& arguments) {
    return deaths_at_each_step(arguments, "worker", 1);
}

int busy_worker_deaths(const Arguments& arguments) {
    constexpr int kAtOnce = 4;
    return deaths_at_each_step(arguments, "busy worker", kAtOnce);
}

int template_deaths(const Arguments& arguments) {
    for (const char* step : {"fork requested", "worker forked", "reaping requested"}) {
        Cell cell;
        cell.who = "template";
        cell.carrier = arguments.carrier;
        cell.step = step;
        kill_often(arguments, cell, "template", arguments.kills, 1, true, 1);
        cell.print();
    }
    return 0;
}

}  // namespace tr::faults
