// How a session's worker is started.
#include <filesystem>
#include <system_error>
#include <utility>

#include "carrier/doorbell.h"
#include "carrier/files_carrier.h"
#include "carrier/mailbox.h"
#include "carrier/mailbox_carrier.h"
#include "carrier/place_error.h"
#include "platform/file.h"
#include "platform/futex.h"
#include "platform/host.h"
#include "platform/mapping_guard.h"
#include "platform/ping.h"
#include "platform/sequence_point.h"
#include "protocol/names.h"
#include "session/guardian.h"
#include "session/interpreter.h"
#include "session/interrupt.h"
#include "session/session_impl.h"
#include "session/template_worker.h"
#include "session/turn_lock.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

namespace fs = std::filesystem;
using platform::Deadline;
constexpr std::int64_t kLeavingMs = 2'000;  ///< for a worker that has said that it leaves

/// A script that ends at once is to be an error of start(); one that has run this long counts as running.
constexpr std::int64_t kFirstSignMs = 1'000;

WakeUp effective_wake_up(const SessionOptions& options) {
    if (options.wake_up != WakeUp::automatic) return options.wake_up;
    const std::string named = platform::environment_variable("TR_WAKEUP");
    return named.empty() ? WakeUp::automatic : wake_up_from_string(named);
}

}  // namespace

void PythonSession::Impl::start() {
    // A stream of a worker that has ended has nothing more to give, and holds nobody up.
    const TurnLock turn(*this, deadline_of(kDefaultTimeout), [this] { return !is_alive(); });
    // A worker that has said that it leaves, or has lost its directory, is none to keep.
    if (leaving_) process_->wait(Deadline::after(kLeavingMs));
    if (is_alive() && (leaving_ || !directory_->is_there())) terminate();
    if (is_alive())
        throw InputError("session '" + session_id_ + "' runs already (worker " + std::to_string(process_->pid()) +
                         "); stop it with please_exit() or terminate() before it is started again");
    unsent_ = false;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        stopped_ = false;
    }
    bring_up(Deadline::never());
}

/// Starts a worker in place of none or a dead one, and waits a moment for it to say something.
void PythonSession::Impl::bring_up(Deadline limit) {
    const bool first = !directory_;
    const auto before = stats_.worker_pid;
    try {
        try {
            start_worker(limit);
        } catch (const std::system_error& error) {
            carrier::throw_place_error(error, directory_ ? directory_->file("") : options_.workspace);
        }
        wait_for_first_sign(limit);
        // Long there by now, as it came up beside the worker.
        if (const std::string why = guardian::confirm(); !why.empty())
            log_(LogLevel::info, "no guardian: " + why +
                                     "; should this program be killed while the worker is deep in native code, the "
                                     "worker goes on until that returns");
    } catch (...) {
        note_failure();
        end_worker(process_);
        guardian::confirm();  // so that nothing of its start is left to be waited for
        keep(std::current_exception(), stats_.worker_pid != before);
        const std::lock_guard<std::mutex> lock(state_mutex_);
        if (first || !directory_) {
            process_.reset();
            stats_.worker_pid = 0;
            carrier_.reset();  // what they map and hold open is room for the next attempt
            mailbox_carrier_.reset();
            tensors_.reset();
            directory_.reset();
        }
        throw;
    }
}

/// Nothing can be served in a directory that somebody has removed.
void PythonSession::Impl::forget_vanished_directory() {
    if (!directory_ || directory_->is_there()) return;
    log_(LogLevel::warning, "the session directory '" + directory_->path() + "' has been removed; another is made");
    const std::lock_guard<std::mutex> lock(state_mutex_);
    directory_lost_ = true;
    leaving_ = false;
    process_.reset();
    tensors_.reset();
    directory_.reset();
}

/// What start() would find wrong without starting anything.
void PythonSession::Impl::check_start() const {
    const auto copied = [this] {  // the first start may be about to anchor them
        const std::lock_guard<std::mutex> lock(state_mutex_);
        return options_;
    };
    const SessionOptions options = copied();
    worker_command(options, choose_interpreter(options).path, find_package_directory());
    check_working_directory(options);
}

/// For a start under way. @throws RestartError when the worker was ended on purpose before it was there
void PythonSession::Impl::check_wanted() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    if (stopped_)
        throw RestartError("session '" + session_id_ +
                           "' has no worker: terminate() or please_exit() was called while one was started; start() "
                           "or restart() starts another");
}

void PythonSession::Impl::start_worker(Deadline limit) {
    check_wanted();
    wake_up_ = effective_wake_up(options_);
    const Choice interpreter = choose_interpreter(options_);
    const std::string package = find_package_directory();
    check_working_directory(options_);
    std::vector<std::string> command = worker_command(options_, interpreter.path, package);
    command.push_back(session_id_);

    settle_lost();
    forget_vanished_directory();
    prepare_directory();
    // Before the worker is there, which may be killed with this program before it can clear up.
    const guardian::Start guarding{interpreter.path, package, worker_environment(options_, package, {})};
    guardian::watch(directory_->path(), 0, guarding);
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        leaving_ = false;
        interpreter_ = interpreter;
        start_deadline_ = Deadline::after(options_.start_timeout_ms);
        ++stats_.epoch;
        stats_.python = interpreter.path;
    }
    protocol::SessionRecord record;
    record.session_id = session_id_;
    record.host_pid = platform::process_id();
    record.host_start_time = platform::process_start_time(record.host_pid);
    record.epoch = stats_.epoch;
    record.carriers = open_carriers(wake_up_);
    record.wake_up = wake_up_ == WakeUp::automatic ? "auto" : to_string(wake_up_);
    platform::write_atomic(directory_->file(protocol::kSessionFile), protocol::encode_session(record));

    platform::SpawnOptions spawn;
    spawn.argv = command;
    spawn.environment = worker_environment(options_, package,
                                           {{"TR_SESSION_DIR", directory_->path()},
                                            {"TR_HOST_PID", std::to_string(record.host_pid)},
                                            {"TR_WAKEUP", record.wake_up}});
    spawn.working_directory = options_.working_directory;
    spawn.output_path = directory_->file(protocol::kLogFile);
    const std::string shown = interpreter.path + " (" + interpreter.reason + ") " +
                              (options_.module.empty() ? command[1] : "-m " + options_.module);
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        command_ = shown;
        worker_argv_ = command;
    }
    std::shared_ptr<platform::Process> process;
    try {
        process = launch(spawn, package, limit.sooner(start_deadline_), [files = carrier_, mailbox = mailbox_carrier_] {
            files->wake();
            if (mailbox) mailbox->wake();
        });
    } catch (const std::system_error& error) {
        const std::string advice = carrier::place_advice(error, spawn.output_path);
        throw RestartError(
            "cannot start the worker " + shown + ": " + error.what() +
            (advice.empty() ? "; check the interpreter, and that the working directory may be entered" : advice));
    }
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        process_ = std::move(process);
        hello_.reset();
        older_worker_ = false;
        ready_ = false;
        directory_lost_ = false;
        stats_.worker_pid = process_->pid();
    }
    TR_SEQUENCE_POINT("worker started");
    if (!std::exchange(anchored_, true)) {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        anchor_paths(options_);
    }
    guardian::watch(directory_->path(), process_->pid(), guarding);
    log_(LogLevel::info, "worker " + std::to_string(process_->pid()) + ": " + shown);
    check_wanted();  // who ended it meanwhile may have found no process
}

/// Forks the worker from a template where that was asked for and can be done, else starts it.
std::shared_ptr<platform::Process> PythonSession::Impl::launch(const platform::SpawnOptions& spawn,
                                                               const std::string& package, Deadline limit,
                                                               std::function<void()> on_exit) {
    std::string start = "plain";
    if (options_.quick_start) {
        try {
            TemplateWorker::Kind kind{spawn.argv[0], package, worker_environment(options_, package, {}),
                                      options_.preload, fs::path(directory_->path()).parent_path().string()};
            const auto check = [this] {
                detail::check_interrupt();
                check_wanted();
            };
            auto process = TemplateWorker::get(kind, limit, check)->fork(spawn, on_exit);
            const std::lock_guard<std::mutex> lock(state_mutex_);
            stats_.start = "template";
            return process;
        } catch (const RestartError& error) {
            check_wanted();
            start += std::string(": ") + error.what();
            log_(LogLevel::info, std::string("no quick start: ") + error.what());
        }
    }
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        stats_.start = start;
    }
    return platform::Process::spawn(spawn, std::move(on_exit));
}

void PythonSession::Impl::prepare_directory() {
    if (!directory_) {
        auto directory = std::make_unique<SessionDirectory>(options_.workspace, session_id_);
        const std::string file_system = platform::file_system_name(directory->path());
        log_(LogLevel::info,
             "directory '" + directory->path() + "' on " + file_system + " (" + directory->reason() + ")");
        const std::lock_guard<std::mutex> lock(state_mutex_);
        tensors_ = std::make_shared<carrier::TensorStore>(directory->path(), directory->mark());
        platform::make_ping(directory->path());
        directory_ = std::move(directory);
        stats_.file_system = file_system;
    }
    // What is left of exchanges with an earlier worker, whatever that has made of it.
    for (const char* name :
         {protocol::kRequestFile, protocol::kResponseFile, protocol::kHelloFile, protocol::kStatusFile,
          protocol::kCancelFile, protocol::kSessionFile, protocol::kMailboxFile, protocol::kRoomFile})
        platform::remove_anything(directory_->file(name));
    const auto log = platform::identify(directory_->file(protocol::kLogFile));
    if (!log) platform::remove_anything(directory_->file(protocol::kLogFile));
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        log_start_ = log ? log->size : 0;
    }
    platform::forget_damage(directory_->path());
}

/// Sets up what this side can do; which carrier it is, the worker's hello decides.
std::vector<std::string> PythonSession::Impl::open_carriers(WakeUp wake_up) {
    std::string fallback;
    std::shared_ptr<carrier::Mailbox> mailbox;
    if (wake_up == WakeUp::futex || wake_up == WakeUp::automatic) {
        if (platform::futex_available())
            mailbox = carrier::Mailbox::create(directory_->file(protocol::kMailboxFile), stats_.epoch);
        else if (wake_up == WakeUp::futex)
            throw InputError(
                "wake-up tier 'futex' was asked for and there is none on this operating system; use "
                "WakeUp::automatic");
        else
            fallback = "there is no futex on this operating system";
    }
    std::string files_fallback;
    const auto files_tier = wake_up == WakeUp::futex ? WakeUp::automatic : wake_up;
    auto files = std::make_shared<carrier::FilesCarrier>(
        directory_->path(), directory_->mark(), carrier::open_doorbell(files_tier, directory_->path(), files_fallback));
    const std::lock_guard<std::mutex> lock(state_mutex_);
    tensors_->attach(mailbox);
    mailbox_carrier_ = mailbox ? std::make_shared<carrier::MailboxCarrier>(mailbox, files) : nullptr;
    carrier_ = files;
    stats_.carrier = files->name();
    stats_.host_wake_up = files->tier();
    stats_.worker_wake_up.clear();
    stats_.fallback = fallback.empty() ? files_fallback : fallback;
    return mailbox ? std::vector<std::string>{"mailbox", "files"} : std::vector<std::string>{"files"};
}

void PythonSession::Impl::wait_for_first_sign(Deadline at_most) {
    const Deadline limit = Deadline::after(kFirstSignMs).sooner(start_deadline_).sooner(at_most);
    for (;;) {
        auto& carrier = *carrier_;
        carrier.prepare();
        if (ready()) return;
        if (!process_->alive()) throw death();
        if (limit.passed()) return;
        carrier.wait(limit);
        detail::check_interrupt();
    }
}

}  // namespace tr
