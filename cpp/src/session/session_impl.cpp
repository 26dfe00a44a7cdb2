#include "session/session_impl.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "carrier/doorbell.h"
#include "carrier/files_carrier.h"
#include "carrier/mailbox.h"
#include "carrier/mailbox_carrier.h"
#include "platform/file.h"
#include "platform/futex.h"
#include "platform/host.h"
#include "protocol/names.h"
#include "session/interpreter.h"
#include "session/interrupt.h"
#include "session/template_worker.h"
#include "session/turn_lock.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

namespace fs = std::filesystem;
using platform::Deadline;
constexpr const char* kExitCommand = "__exit__";
constexpr std::int64_t kRecheckMs = 1024;  ///< a doorbell is a hint: the truth is looked at this often anyway
constexpr std::int64_t kGraceMs = 2'000;   ///< for each step of stopping a worker

/// A script that ends at once is to be an error of start(); one that has run this long counts as running.
constexpr std::int64_t kFirstSignMs = 1'000;

std::int64_t milliseconds_since(Deadline::Clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Deadline::Clock::now() - start).count();
}

WakeUp effective_wake_up(const SessionOptions& options) {
    if (options.wake_up != WakeUp::automatic) return options.wake_up;
    const std::string named = platform::environment_variable("TR_WAKEUP");
    return named.empty() ? WakeUp::automatic : wake_up_from_string(named);
}

}  // namespace

PythonSession::Impl::Impl(SessionOptions options)
    : options_(std::move(options)),
      session_id_(options_.session_id.empty() ? unique_session_id() : options_.session_id),
      log_(options_.log, options_.quiet, session_id_),
      owner_pid_(platform::process_id()) {
    protocol::require_tag(session_id_, "a session id");
}

PythonSession::Impl::~Impl() {
    if (owner_pid_ != platform::process_id()) return;  // a fork of the program: the worker is not ours
    try {
        const bool idle = is_alive() && ready() && !is_busy();
        if (idle)
            please_exit(kGraceMs, true);
        else
            terminate();
    } catch (const std::exception& error) {
        log_(LogLevel::warning, std::string("while stopping: ") + error.what());
    }
    {
        std::unique_lock<std::mutex> lock(async_mutex_);  // with the worker gone they end at once
        async_done_.wait(lock, [this] { return async_running_ == 0; });
    }
    process_.reset();
    if (failed_ && options_.keep_on_failure && directory_)
        log_(LogLevel::info, "a request failed: the session directory is kept as '" + directory_->keep() + "'");
}

Deadline PythonSession::Impl::deadline_of(std::int64_t timeout_ms) const {
    if (timeout_ms == kDefaultTimeout) timeout_ms = options_.default_timeout_ms;
    if (timeout_ms < 0)
        throw InputError("a time limit of " + std::to_string(timeout_ms) +
                         " ms makes no sense: expected milliseconds, or 0 to wait for ever");
    return Deadline::after(timeout_ms);
}

// ---------------------------------------------------------------------------------------------- starting, stopping

void PythonSession::Impl::start() {
    const TurnLock turn(*this, deadline_of(kDefaultTimeout));
    if (is_alive())
        throw InputError("session '" + session_id_ + "' runs already (worker " + std::to_string(process_->pid()) +
                         "); stop it with please_exit() or terminate() before it is started again");
    try {
        try {
            start_worker();
        } catch (const std::system_error& error) {
            carrier::throw_write_error(error, directory_ ? directory_->file("") : options_.workspace, 0);
        }
        wait_for_first_sign();
    } catch (...) {
        note_failure();
        terminate();
        const std::lock_guard<std::mutex> lock(state_mutex_);
        process_.reset();
        if (!options_.keep_on_failure) {
            tensors_.reset();
            directory_.reset();
        }
        throw;
    }
}

void PythonSession::Impl::start_worker() {
    wake_up_ = effective_wake_up(options_);
    const Choice interpreter = choose_interpreter(options_);
    const std::string package = find_package_directory();
    std::vector<std::string> command = worker_command(options_, interpreter.path, package);
    command.push_back(session_id_);

    prepare_directory();
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        hello_.reset();
        older_worker_ = false;
        in_flight_.reset();
        inbox_.clear();
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
    std::shared_ptr<platform::Process> process;
    try {
        process = launch(spawn, package, [files = carrier_, mailbox = mailbox_carrier_] {
            files->wake();
            if (mailbox) mailbox->wake();
        });
    } catch (const std::system_error& error) {
        throw RestartError("cannot start the worker " + shown + ": " + error.what() +
                           "; check the interpreter and the working directory");
    }
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        process_ = std::move(process);
        stats_.worker_pid = process_->pid();
    }
    log_(LogLevel::info, "worker " + std::to_string(process_->pid()) + ": " + shown);
}

/// Forks the worker from a template where that was asked for and can be done, else starts it.
std::shared_ptr<platform::Process> PythonSession::Impl::launch(const platform::SpawnOptions& spawn,
                                                               const std::string& package,
                                                               std::function<void()> on_exit) {
    std::string start = "plain";
    if (options_.quick_start) {
        try {
            TemplateWorker::Kind kind{spawn.argv[0], package, worker_environment(options_, package, {}),
                                      options_.preload, fs::path(directory_->path()).parent_path().string()};
            auto process = TemplateWorker::get(kind, start_deadline_)->fork(spawn, on_exit);
            const std::lock_guard<std::mutex> lock(state_mutex_);
            stats_.start = "template";
            return process;
        } catch (const RestartError& error) {
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
        tensors_ = std::make_unique<carrier::TensorStore>(directory->path());
        directory_ = std::move(directory);
        stats_.file_system = file_system;
    }
    // What is left of exchanges with an earlier worker.
    for (const char* name : {protocol::kRequestFile, protocol::kResponseFile, protocol::kHelloFile,
                             protocol::kStatusFile, protocol::kCancelFile})
        platform::remove_file(directory_->file(name));
}

/// Sets up what this side can do; which carrier it is, the worker's hello decides.
std::vector<std::string> PythonSession::Impl::open_carriers(WakeUp wake_up) {
    std::string fallback;
    std::shared_ptr<carrier::Mailbox> mailbox;
    if (wake_up == WakeUp::futex || wake_up == WakeUp::automatic) {
        if (platform::futex_available())
            mailbox = std::make_shared<carrier::Mailbox>(
                carrier::Mailbox::create(directory_->file(protocol::kMailboxFile), stats_.epoch));
        else if (wake_up == WakeUp::futex)
            throw InputError(
                "wake-up tier 'futex' was asked for and there is none on this operating system; use "
                "WakeUp::automatic");
        else
            fallback = "there is no futex on this operating system";
    } else {
        platform::remove_file(directory_->file(protocol::kMailboxFile));
    }
    std::string files_fallback;
    const auto files_tier = wake_up == WakeUp::futex ? WakeUp::automatic : wake_up;
    auto files = std::make_shared<carrier::FilesCarrier>(
        directory_->path(), carrier::open_doorbell(files_tier, directory_->path(), files_fallback));
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

void PythonSession::Impl::wait_for_first_sign() {
    const Deadline limit = Deadline::after(kFirstSignMs).sooner(start_deadline_);
    for (;;) {
        const auto carrier = current_carrier();
        carrier->prepare();
        if (ready()) return;
        if (!process_->alive()) throw_death();
        if (limit.passed()) return;
        carrier->wait(limit);
        detail::check_interrupt();
    }
}

void PythonSession::Impl::please_exit(std::int64_t timeout_ms, bool ensure) {
    if (!is_alive()) return;
    const Deadline deadline = deadline_of(timeout_ms);
    try {
        const TurnLock turn(*this, deadline);
        send(kExitCommand, deadline);
        while (!process_->wait(Deadline::after(kRecheckMs).sooner(deadline))) {
            detail::check_interrupt();
            if (deadline.passed()) throw_timeout("for the worker to exit");
        }
        {
            const std::lock_guard<std::mutex> lock(state_mutex_);
            in_flight_.reset();
        }
        log_(LogLevel::info, "worker " + process_->status()->describe());
    } catch (const TimeoutError&) {
        if (!ensure) throw;
        log_(LogLevel::warning, "the worker did not exit when asked to; it is terminated");
        terminate();
    } catch (const RestartError&) {
        // It ended by itself meanwhile, which is what was wanted.
    }
}

void PythonSession::Impl::terminate() {
    std::shared_ptr<platform::Process> process;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        process = process_;
    }
    if (!process || !process->alive()) return;
    process->terminate();
    if (!process->wait(Deadline::after(kGraceMs))) {
        process->kill();
        process->wait(Deadline::never());
    }
    log_(LogLevel::info, "worker " + process->status()->describe());
}

void PythonSession::Impl::join() {
    std::shared_ptr<platform::Process> process;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        process = process_;
    }
    while (process && !process->wait(Deadline::after(kRecheckMs))) detail::check_interrupt();
}

// ------------------------------------------------------------------------------------------------------------ state

bool PythonSession::Impl::is_alive() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    return process_ && process_->alive();
}

bool PythonSession::Impl::is_ready() {
    return is_alive() && ready() && !is_busy();
}

bool PythonSession::Impl::is_busy() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    return process_ && process_->alive() && in_flight_ && !carrier_->response_pending();
}

bool PythonSession::Impl::ready() {
    std::string news;
    {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        if (hello_ || older_worker_) return true;
        if (!directory_) return false;
        // The status is the last thing that a worker writes before it takes requests. An older one writes no hello.
        if (!platform::file_exists(directory_->file(protocol::kStatusFile))) return false;
        std::optional<std::string> text;
        try {
            text = platform::read_file(directory_->file(protocol::kHelloFile), protocol::kMaxMessageBytes);
        } catch (const std::system_error& error) {
            throw InputError(std::string("what the worker says of itself cannot be read: ") + error.what());
        }
        older_worker_ = !text;
        news = text ? hear(protocol::parse_hello(*text)) : "of an older kind, which says nothing of itself";
    }
    log_(LogLevel::info, "worker ready: " + news);  // with no lock held, as the callback may ask for stats()
    return true;
}

/// The worker says what it is and which carrier it takes. With state_mutex_ held.
/// @returns the same for the log
std::string PythonSession::Impl::hear(protocol::Hello hello) {
    stats_.worker_wake_up = hello.wake_up;
    if (hello.carrier == "mailbox" && mailbox_carrier_) {
        carrier_ = mailbox_carrier_;
        tensors_->share();
        // It may have looked for a request just before one was published, and waits for a ring from now on.
        if (in_flight_) carrier_->ring_worker();
        stats_.fallback.clear();  // a lower tier that was given up does not matter
    } else if (wake_up_ == WakeUp::futex) {
        throw InputError("wake-up tier 'futex' was asked for and the worker cannot use it: " + hello.fallback +
                         "; use WakeUp::automatic");
    } else if (stats_.fallback.empty()) {
        stats_.fallback = hello.fallback;
    }
    stats_.carrier = carrier_->name();
    stats_.host_wake_up = carrier_->tier();
    std::string line = "Python " + hello.python + ", carrier " + stats_.carrier + ", woken by " + hello.wake_up +
                       (stats_.fallback.empty() ? "" : " (" + stats_.fallback + ")");
    hello_ = std::move(hello);
    return line;
}

std::shared_ptr<carrier::Carrier> PythonSession::Impl::current_carrier() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    return carrier_;
}

std::string PythonSession::Impl::session_dir() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    return directory_ ? directory_->path() : "";
}

SessionStats PythonSession::Impl::stats() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    return stats_;
}

void PythonSession::Impl::note_failure() {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    ++stats_.failures;
    failed_ = true;
}

// ---------------------------------------------------------------------------------------------------------- waiting

void PythonSession::Impl::throw_if_never_started() const {
    if (!process_) throw InputError("session '" + session_id_ + "' has no worker: call start() first");
}

void PythonSession::Impl::throw_death() const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    const auto status = process_->status();
    std::string message = "the worker of session '" + session_id_ + "' (pid " + std::to_string(process_->pid()) + ") " +
                          status->describe();
    if (!hello_ && !older_worker_)
        message += " before it was ready";
    else if (in_flight_)
        message +=
            " while it was at work on request " + std::to_string(in_flight_->id) + " '" + in_flight_->command + "'";
    else
        message += " while it was idle";
    constexpr std::size_t kLogBytes = 4096;
    const std::string tail = platform::read_tail(directory_->file(protocol::kLogFile), kLogBytes);
    message += tail.empty() ? "; it wrote nothing to its log" : "; the end of its log:\n" + tail;
    throw RestartError(message, status->over_limit ? ErrorCode::quota_exhausted : ErrorCode::server_error);
}

void PythonSession::Impl::throw_timeout(const char* purpose) const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    std::string message =
        std::string("the time limit passed while waiting ") + purpose + " in session '" + session_id_ + "': ";
    if (!hello_ && !older_worker_)
        message += "the worker (pid " + std::to_string(process_->pid()) + ") is not ready yet";
    else if (in_flight_)
        message += "the worker (pid " + std::to_string(process_->pid()) + ") is at work on request " +
                   std::to_string(in_flight_->id) + " '" + in_flight_->command + "' since " +
                   std::to_string(milliseconds_since(in_flight_->sent)) + " ms";
    else
        message += "the worker (pid " + std::to_string(process_->pid()) + ") is alive and idle";
    throw TimeoutError(message + "; give it longer, or see '" + directory_->file(protocol::kLogFile) + "'");
}

void PythonSession::Impl::wait_until(Deadline deadline, const char* purpose, const std::function<bool()>& done) {
    throw_if_never_started();
    current_carrier()->expect();
    for (;;) {
        const bool is_ready = ready();
        const auto carrier = current_carrier();
        carrier->prepare();
        if (done()) return;
        if (!process_->alive()) {
            if (done()) return;  // its last act
            note_failure();
            throw_death();
        }
        const Deadline limit = is_ready ? deadline : deadline.sooner(start_deadline_);
        if (limit.passed()) {
            note_failure();
            throw_timeout(purpose);
        }
        carrier->wait(Deadline::after(kRecheckMs).sooner(limit));
        detail::check_interrupt();
    }
}

void PythonSession::Impl::wait_until_ready(std::int64_t timeout_ms) {
    const Deadline deadline = deadline_of(timeout_ms);
    const TurnLock turn(*this, deadline);
    wait_until(deadline, "for the worker to be ready", [this] { return ready(); });
}

void PythonSession::Impl::wait_until_ok(std::int64_t timeout_ms) {
    const Deadline deadline = deadline_of(timeout_ms);
    const TurnLock turn(*this, deadline);
    Answer answer = own_answer(deadline);
    const auto error = answer.error;
    if (!error) {
        const std::lock_guard<std::mutex> lock(state_mutex_);
        inbox_[std::this_thread::get_id()] = std::move(answer);
        return;
    }
    note_failure();
    std::rethrow_exception(error);
}

}  // namespace tr
