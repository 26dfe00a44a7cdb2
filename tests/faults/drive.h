#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance.h"

namespace tr::faults {

/// Something that the library promises did not hold.
struct Violation : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What a program of this folder was started with: `tr_faults <task> --name value ...`.
struct Arguments {
    std::string carrier = "mailbox";
    std::string workspace;
    std::string steps;  ///< only steps whose name contains this, or one of several with commas between them
    std::string who;
    std::string fault;
    std::string progress;
    int kills = 1;
    int shard = 0;  ///< this process takes every `shards`-th step, from this one on
    int shards = 1;
    int sessions = 3;
    int threads = 2;
    double seconds = 10;
    std::uint64_t seed = 1;
};

int worker_deaths(const Arguments& arguments);
int template_deaths(const Arguments& arguments);
int busy_worker_deaths(const Arguments& arguments);
int host_deaths(const Arguments& arguments);
int client_deaths(const Arguments& arguments);
int deaths_among_clients(const Arguments& arguments);
int doorbells(const Arguments& arguments);
int pool_deaths(const Arguments& arguments);
int batch_deaths(const Arguments& arguments);
int soak(const Arguments& arguments);
int graph_clients(const Arguments& arguments);

/// Options of a session with server.py whose worker takes this carrier: "mailbox" through the library,
/// "mailbox-ctypes" without it, "mailbox-0us" and "mailbox-1us" with that busy wait, "inotify" or "polling".
SessionOptions options_for(const Arguments& arguments, const std::string& session_id, bool quick_start);
/// The same for a server that runs so many requests at once.
SessionOptions options_at_once(SessionOptions options, int at_once);
/// Where an order to die is put for a worker or a template (see points.py), and its traces.
std::string fault_file(const Arguments& arguments);
void order_death(const Arguments& arguments, const std::string& who, const std::string& step, int passage);
/// When the process that was ordered to die did, and forgets it; nothing when none did.
std::optional<std::int64_t> time_of_death(const Arguments& arguments);

using Steps = std::vector<std::pair<std::string, int>>;
/// Of a file with a step and a number of passages a line, those that this process is to take.
Steps chosen_steps(const Arguments& arguments, const std::string& trace_file);

std::string read_text(const std::string& path);
std::size_t count_entries(const std::string& directory);

/// Bytes that depend on the seed alone.
std::vector<std::uint8_t> pattern(std::uint64_t seed, std::size_t size);

/// Uses a session in every way that has steps of its own, and looks at each answer.
class Drive {
  public:
    /// @param number tells those apart that use one worker at the same time: nothing that one sends is another's
    explicit Drive(PythonSession& session, int number = 0);

    /// From start() to please_exit().
    void everything(bool wait_until_ready);
    void start(bool wait_until_ready);
    void end();
    /// A call that is answered when as many are at work as there are threads in the server.
    void meet();
    /// Every kind of call to a worker that runs.
    void calls();
    /// A few calls to a worker that runs.
    void some_calls();
    /// What was received, or lies in shared memory, is what it was.
    void check_held() const;
    /// When the call began that is under way, or was last.
    std::int64_t call_began() const { return began_; }

  private:
    void echo(std::size_t bytes);
    void flip(std::size_t bytes, bool hold);
    void send_back(std::size_t bytes);
    void from_shared_memory(std::size_t bytes);
    void stream(int parts, int taken);
    void expect(const Tensor& tensor, const std::vector<std::uint8_t>& bytes, const char* what) const;
    void begin();

    PythonSession& session_;
    std::uint64_t seed_;
    std::string shared_;  ///< a tag
    std::int64_t began_ = 0;
    std::vector<std::pair<Tensor, std::vector<std::uint8_t>>> held_;
};

}  // namespace tr::faults
