// The public face: what is no more than a way in to the parts.
#include "tech_renaissance/session/python_session.h"

#include <utility>

#include "session/core.h"
#include "worker/death_report.h"
#include "worker/registry.h"

namespace tr {
namespace {

SessionOptions options_of(const std::string& script, const std::string& session_id, bool quiet) {
    SessionOptions options;
    options.script = script;
    options.session_id = session_id;
    options.quiet = quiet;
    return options;
}

}  // namespace

// ------------------------------------------------------------------------------------------------------ construction

PythonSession::PythonSession(const std::string& script_path, const std::string& session_id, bool quiet_mode)
    : PythonSession(options_of(script_path, session_id, quiet_mode)) {}
PythonSession::PythonSession(SessionOptions options) : core_(new session::Core(std::move(options), false)) {}
PythonSession::PythonSession(std::unique_ptr<session::Core, Drop> core) : core_(std::move(core)) {}
PythonSession::~PythonSession() = default;
PythonSession::PythonSession(PythonSession&&) noexcept = default;
PythonSession& PythonSession::operator=(PythonSession&&) noexcept = default;

void PythonSession::Drop::operator()(session::Core* core) const {
    // In a fork of the program it stays as it was: threads that are not there may be using it, and to destroy what they
    // wait on would be to wait for them.
    if (!core->inherited()) delete core;
}

session::Core& PythonSession::core() const {
    if (!core_) throw InputError("this PythonSession has been moved from: use the one that it was moved to");
    core_->check_process();
    return *core_;
}

void detail::Deaths::hand_over(const PythonSession& session, const std::string& remedy) {
    session.core().supervisor.hand_over(remedy, nullptr);
}
void detail::Waits::wake(const PythonSession& session) {
    auto& core = session.core();
    core.wake_all();
    core.turns.wake();
}

PythonSession PythonSession::connect(const std::string& session_id, SessionOptions options) {
    options.session_id = session_id;
    if (session_id.empty()) throw InputError("connect() needs the id of a session: see PythonSession::list()");
    std::unique_ptr<session::Core, Drop> core(new session::Core(std::move(options), true));
    core->start(core->deadline_of(kDefaultTimeout));
    return PythonSession(std::move(core));
}

std::vector<SessionInfo> PythonSession::list(const std::string& workspace) {
    std::vector<SessionInfo> all;
    for (const auto& found : worker::find_sessions(workspace)) {
        SessionInfo info;
        info.session_id = found.record.session_id;
        info.directory = found.directory;
        info.owner_pid = found.record.host_pid;
        if (found.hello) {
            info.worker_pid = found.hello->pid;
            info.server = found.hello->server;
            info.commands = found.hello->commands;
            info.takes_clients = found.hello->has_feature("channels");
        }
        all.push_back(std::move(info));
    }
    return all;
}

// -------------------------------------------------------------------------------------------------------------- life

void PythonSession::start() {
    core().start(core().deadline_of(kDefaultTimeout));
}
void PythonSession::restart(Limit limit) {
    core().restart(core().deadline_of(limit));
}
void PythonSession::please_exit(Limit limit, bool ensure) {
    core().please_exit(limit, ensure);
}
void PythonSession::terminate() {
    core().terminate();
}
void PythonSession::join() {
    core().join();
}
bool PythonSession::is_alive() const {
    return core().look_whether_alive();
}
bool PythonSession::is_ready() const {
    return core().is_ready();
}
int PythonSession::event_fd() const {
    return core().event_descriptor();
}
bool PythonSession::is_busy() const {
    core().has_been_heard();
    return core().is_busy();
}
std::string PythonSession::progress() const {
    core().has_been_heard();
    return core().progress();
}
void PythonSession::clear_quarantine() {
    if (auto* quarantine = core().supervisor.quarantine()) quarantine->clear();
}
std::string PythonSession::session_dir() const {
    return core().directory();
}
const std::string& PythonSession::session_id() const {
    return core().id();
}
void PythonSession::set_quiet_mode(bool quiet) {
    core().log.set_quiet(quiet);
}
std::string PythonSession::log_tail(std::size_t max_bytes) const {
    const auto worker = core().worker();
    return worker ? worker::log_tail(worker->launched(), max_bytes) : "";
}
SessionStats PythonSession::stats() const {
    return core().stats();
}
WorkerHealth PythonSession::probe() const {
    return core().probe();
}

}  // namespace tr
