// Programs that share one worker and die: a client at each of its steps, a client, the worker and its owner at any
// time. The end of a client closes its channels and nothing else; the end of the owner is that of the worker, which
// each client is told.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "cell.h"
#include "clients.h"
#include "faults.h"

namespace tr::faults {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kGoneMs = 2'500;  // what a dead client leaves: a worker that was not told looks once a second
constexpr int kClients = 10;             // in each of two programs
constexpr int kClientsAtSteps = 3;

/// Nothing is waited for.
void pause(std::int64_t us) {
    const timespec time{us / 1'000'000, (us % 1'000'000) * 1'000};
    ::ppoll(nullptr, 0, &time, nullptr);
}

/// Waits for what no bell tells: a look each millisecond.
bool comes_true(const std::function<bool()>& condition) {
    for (const std::int64_t start = monotonic_ns(); !condition(); pause(1'000))
        if (monotonic_ns() - start > kGoneMs * 1'000'000) return false;
    return true;
}

/// A worker, its owner, and one program or two that have clients of it.
class Company {
  public:
    /// @param clients in each program
    /// @param busy all make calls without a pause
    Company(const Arguments& arguments, int clients, bool busy)
        : arguments_(arguments), clients_(clients), busy_(busy), random_(arguments.seed) {}

    std::unique_ptr<Program> add_clients() const {
        return std::make_unique<Program>(
            [this](const Program::Line& line) { be_clients(arguments_, busy_, owner->pid(), clients_, line); });
    }

    void start() {
        owner = std::make_unique<Program>([this](const Program::Line& line) { be_owner(arguments_, busy_, line); });
        owner->ask_for('w');
        others = add_clients();
        others->ask_for('w');
    }

    /// It ends in order.
    static void leave(Program& program) {
        program.ask('q');
        if (program.wait() != 0) program.answer();
    }

    /// All programs end, the worker with them, and the next start in the workspace finds nothing.
    void end(Cell& cell) {
        for (auto* program : {&doomed, &others, &owner}) {
            if (*program && (*program)->pid() != 0) leave(**program);
            program->reset();
        }
        expect_nobody(cell);
        for (const auto& name : left_in_workspace(arguments_, {}))
            cell.violation(cell.leaked, "left in the workspace: " + name);
    }

    void end_with_force() {
        doomed.reset();
        others.reset();
        owner.reset();
        int status = 0;
        while (wait_for_child(-1, status) > 0) continue;
    }

    void expect_nobody(Cell& cell) const {
        int status = 0;
        while (wait_for_child(-1, status) > 0) continue;
        if (errno != ECHILD)
            cell.violation(cell.hung, "somebody lives " + std::to_string(kHungSeconds) + " s after all programs");
    }

    /// Names of channels that begin so; hidden ones are in the making, or on their way out.
    std::vector<std::string> channels(const std::string& prefix, bool hidden) const {
        std::vector<std::string> found;
        std::error_code error;
        for (const auto& entry : fs::directory_iterator(
                 arguments_.workspace + "/python_session/tr_session_" + kSharedSession + "/channels", error))
            if (const auto name = entry.path().filename().string(); name.rfind((hidden ? "." : "") + prefix, 0) == 0)
                if (hidden || name[0] != '.') found.push_back(name);
        return found;
    }

    /// What a dead client leaves has gone soon, and the others get their answers.
    void look_after(Cell& cell, pid_t client, std::int64_t died) const {
        const std::string prefix = std::to_string(client) + "-";
        const auto none = [&](bool hidden) {
            const bool gone = comes_true([&] { return channels(prefix, hidden).empty(); });
            if (!gone) cell.violation(cell.leaked, "a channel of a dead client: " + channels(prefix, hidden)[0]);
            return gone;
        };
        if (none(false)) ++cell.outcomes["its channels are closed, the others go on"];
        cell.noticed_us.push_back((monotonic_ns() - died) / 1000);
        // Nobody was told of one that was never whole: it goes with the next client that comes.
        if (!channels(prefix, true).empty()) {
            leave(*add_clients());
            none(true);
        }
        owner->ask('w');
        others->ask('w');
        owner->answer();
        others->answer();
    }

    std::size_t descriptors_of_worker() const { return count_entries("/proc/" + owner->ask_for('p') + "/fd"); }

    std::int64_t any_time(std::int64_t below_us) {
        return std::uniform_int_distribution<std::int64_t>(0, below_us)(random_);
    }

    std::unique_ptr<Program> owner;
    std::unique_ptr<Program> others;
    std::unique_ptr<Program> doomed;

  private:
    const Arguments& arguments_;
    const int clients_;
    const bool busy_;
    std::mt19937_64 random_;
};

/// Has something done as often as there are to be kills; after a failure all begins anew.
void repeat(const Arguments& arguments, Cell& cell, Company& company, const std::function<void(int)>& kill) {
    for (int i = 0; i < arguments.kills; ++i) {
        try {
            if (!company.owner) company.start();
            kill(i);
        } catch (const Hung& error) {
            cell.violation(cell.hung, error.what());
            company.end_with_force();
        } catch (const std::exception& error) {
            cell.violation(cell.lost, error.what());
            company.end_with_force();
        }
    }
}

Cell cell_for(const Arguments& arguments, const std::string& who, const std::string& step) {
    Cell cell;
    cell.who = who;
    cell.carrier = arguments.carrier;
    cell.step = step;
    return cell;
}

// --------------------------------------------------------------------------------------------- a client at each step

/// From connect() to the end of its sessions, or of its life.
void be_doomed(const Arguments& arguments, const std::string& step, int passage) {
    arm(step, passage, fault_file(arguments) + ".died");
    {
        std::deque<PythonSession> sessions;
        std::deque<Drive> drives;
        for (int i = 0; i < kClientsAtSteps; ++i) {
            sessions.push_back(PythonSession::connect(kSharedSession, options_for(arguments, "", false)));
            drives.emplace_back(sessions.back(), i);
        }
        on_threads(drives.size(), [&drives](std::size_t which) { drives[which].calls(); });
    }
    if (!step.empty()) return;
    std::ofstream file(fault_file(arguments) + ".trace");
    for (const auto& [passed, count] : passages()) file << passed << '\t' << count << '\n';
}

/// @returns false when it did not come by that passage of the step
bool kill_at(const Arguments& arguments, Company& company, Cell& cell, int passage) {
    Program doomed([&](const Program::Line&) { be_doomed(arguments, cell.step, passage); });
    const pid_t pid = doomed.pid();
    const int status = doomed.wait();
    const auto died = time_of_death(arguments);
    if (status == 0 && !died) return false;
    if (!died || !WIFSIGNALED(status)) doomed.answer();
    ++cell.kills;
    company.look_after(cell, pid, *died);
    return true;
}

// ------------------------------------------------------------------------------------------------------- at any time

constexpr std::int64_t kConnectingUs = 60'000;
constexpr std::int64_t kCallingUs = 20'000;

void kill_client(Company& company, Cell& cell, int turn, std::size_t& descriptors) {
    if (turn == 0) descriptors = company.descriptors_of_worker();
    company.doomed = company.add_clients();
    const pid_t pid = company.doomed->pid();
    if (turn % 2 == 0) company.doomed->ask_for('w');
    pause(company.any_time(turn % 2 == 0 ? kCallingUs : kConnectingUs));
    company.doomed->kill();
    ++cell.kills;
    company.look_after(cell, pid, monotonic_ns());
    const auto more = [&] { return company.descriptors_of_worker() > descriptors; };
    if (!comes_true([&] { return !more(); })) cell.violation(cell.leaked, "descriptors of the worker");
}

void kill_worker(Company& company, Cell& cell) {
    if (!company.doomed) company.doomed = company.add_clients();
    company.doomed->ask_for('w');
    const auto all = {company.owner.get(), company.others.get(), company.doomed.get()};
    const auto worker = static_cast<pid_t>(std::stol(company.owner->ask_for('p')));
    pause(company.any_time(kCallingUs));
    ::kill(worker, SIGKILL);
    const std::int64_t died = monotonic_ns();
    ++cell.kills;
    for (const auto* program : all) program->ask('e');
    for (const auto* program : all) program->answer();
    cell.noticed_us.push_back((monotonic_ns() - died) / 1000);
    for (const auto* program : all) program->ask_for('a');
    ++cell.outcomes["RestartError in each program, and restart() in each"];
    for (const auto& name : company.channels("", true)) cell.violation(cell.leaked, "left among the channels: " + name);
    if (const auto count = company.channels("", false).size(); count != 2 * kClients)
        cell.violation(cell.leaked,
                       std::to_string(count) + " channels of " + std::to_string(2 * kClients) + " clients");
}

void kill_owner(Company& company, Cell& cell, bool by_force) {
    company.doomed = company.add_clients();
    company.doomed->ask_for('w');
    pause(company.any_time(kCallingUs));
    if (by_force) {
        company.owner->kill();
    } else {
        company.owner->ask('q');
        company.owner->wait();
    }
    const std::int64_t died = monotonic_ns();
    ++cell.kills;
    const auto clients = {company.others.get(), company.doomed.get()};
    for (const auto* program : clients) program->ask('e');
    for (const auto* program : clients) program->answer();
    cell.noticed_us.push_back((monotonic_ns() - died) / 1000);
    ++cell.outcomes["RestartError in each client, and nobody is left"];
    company.end(cell);
}

}  // namespace

int client_deaths(const Arguments& arguments) {
    adopt_orphans();
    Company company(arguments, kClientsAtSteps, false);
    company.start();
    Program trace([&](const Program::Line&) { be_doomed(arguments, "", 0); });
    if (trace.wait() != 0) trace.answer();
    for (const auto& [step, passages] : chosen_steps(arguments, fault_file(arguments) + ".trace")) {
        Cell cell = cell_for(arguments, "client", step);
        repeat(arguments, cell, company, [&, most = passages](int turn) {
            if (!kill_at(arguments, company, cell, 1 + turn % most) && !kill_at(arguments, company, cell, 1))
                throw Violation("the client never came by this step");
        });
        cell.print();
    }
    Cell rest;
    company.end(rest);
    if (!rest.first_violation.empty()) throw Violation(rest.first_violation);
    return 0;
}

int deaths_among_clients(const Arguments& arguments) {
    adopt_orphans();
    Company company(arguments, kClients, true);
    std::size_t descriptors = 0;
    Cell client = cell_for(arguments, "client", "at any time, 20 clients");
    repeat(arguments, client, company, [&](int turn) { kill_client(company, client, turn, descriptors); });
    company.end(client);
    client.print();
    Cell worker = cell_for(arguments, "shared worker", "at any time, 20 clients");
    repeat(arguments, worker, company, [&](int) { kill_worker(company, worker); });
    company.end(worker);
    worker.print();
    for (const bool by_force : {true, false}) {
        Cell owner = cell_for(arguments, "owner", by_force ? "at any time, 20 clients" : "please_exit(), 20 clients");
        repeat(arguments, owner, company, [&](int) { kill_owner(company, owner, by_force); });
        owner.print();
    }
    return 0;
}

}  // namespace tr::faults
