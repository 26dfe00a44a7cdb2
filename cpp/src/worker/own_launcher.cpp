// Workers that this program starts itself: spawned, or forked from a template.
#include <atomic>
#include <charconv>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

#include "channel/place_error.h"
#include "platform/file.h"
#include "platform/host.h"
#include "platform/mapping_guard.h"
#include "platform/ping.h"
#include "platform/sequence_point.h"
#include "protocol/names.h"
#include "protocol/records.h"
#include "tech_renaissance/utils/tr_exception.h"
#include "worker/guardian.h"
#include "worker/launch_plan.h"
#include "worker/launcher.h"
#include "worker/session_directory.h"
#include "worker/template_worker.h"

namespace tr::worker {
namespace {

namespace fs = std::filesystem;
using platform::Deadline;

/// Programs may be about to make channels in it, as they have found the worker before: first the name goes.
void remove_channels(const std::string& folder) {
    const std::string former = folder + ".former";
    platform::remove_tree(former);
    std::error_code error;
    fs::rename(folder, former, error);
    if (error) platform::remove_anything(folder);
    platform::remove_tree(former);  // what is put into it even now goes with the session
}

class OwnLauncher final : public Launcher {
  public:
    OwnLauncher(const SessionOptions& options, SessionName& name, SessionLog& log)
        : options_(options), name_(name), log_(log) {}

    void check() const override {
        const SessionOptions options = copied();
        worker_command(options, choose_interpreter(options).path, find_package_directory());
        check_working_directory(options);
    }

    void prepare(channel::Channel& first) override {
        if (first.directory() == nullptr) {
            auto made = make_directory();
            log_(LogLevel::info, "directory '" + made->path() + "' on " + platform::file_system_name(made->path()) +
                                     " (" + made->reason() + ")");
            platform::make_ping(made->path());
            const std::lock_guard<std::mutex> lock(mutex_);
            directory_ = made->path();
            first.move_into(std::move(made));
        }
        const auto file = [&first](const char* name) { return first.directory()->file(name); };
        // What is left of exchanges with an earlier worker, whatever that has made of it.
        for (const char* name : {protocol::kRequestFile, protocol::kResponseFile, protocol::kHelloFile,
                                 protocol::kStatusFile, protocol::kWhereFile, protocol::kCancelFile,
                                 protocol::kSessionFile, protocol::kMailboxFile, protocol::kRoomFile})
            platform::remove_anything(file(name));
        remove_channels(file(protocol::kChannelsFolder));
        platform::make_private_directory(file(protocol::kChannelsFolder));
        const auto log = platform::identify(file(protocol::kLogFile));
        if (!log) platform::remove_anything(file(protocol::kLogFile));
        log_start_ = log ? log->size : 0;
        platform::forget_damage(first.directory()->path());
    }

    std::shared_ptr<Worker> launch(channel::Channel& first, Deadline limit,
                                   const std::function<void()>& check) override {
        Launched launched;
        launched.interpreter = choose_interpreter(options_);
        const std::string package = find_package_directory();
        check_working_directory(options_);
        launched.argv = worker_command(options_, launched.interpreter.path, package);
        for (const auto& word : options_.launcher) launched.command += word + " ";
        launched.command += launched.interpreter.path + " (" + launched.interpreter.reason + ")";
        for (const auto& argument : worker_script(options_, package)) launched.command += " " + argument;
        for (const auto& argument : arguments()) launched.argv.push_back(argument);
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            // For a replay, which is not to run under a profiler as well.
            command_line_ = {launched.interpreter.path};
            for (auto& argument : worker_script(options_, package)) command_line_.push_back(std::move(argument));
            for (const auto& argument : arguments()) command_line_.push_back(argument);
        }
        launched.directory = first.directory()->path();
        launched.log_start = log_start_;
        launched.limit = Deadline::after(options_.start_timeout_ms);
        // Before the worker is there, which may be killed with this program before it can clear up.
        const guardian::Start guarding{launched.interpreter.path, package, worker_environment(options_, package, {})};
        guardian::watch(launched.directory, 0, guarding);
        launched.epoch = ++epoch_;
        const platform::SpawnOptions spawn = introduce(first, launched, package);
        launched.environment = spawn.environment;
        if (options_.module.empty()) launched.script = worker_script(options_, package).front();

        const auto waiting = std::make_shared<Waiting>();
        for (const auto& carrier : first.carriers()) waiting->add(carrier);
        std::shared_ptr<platform::Process> process;
        try {
            process = start(
                spawn, package, limit.sooner(launched.limit), check, [waiting] { waiting->wake_all(); },
                launched.start);
        } catch (const std::system_error& error) {
            const std::string advice = channel::place_advice(error, spawn.output_path);
            throw RestartError(
                "cannot start the worker " + launched.command + ": " + error.what() +
                (advice.empty() ? "; check the interpreter, and that the working directory may be entered" : advice));
        }
        TR_SEQUENCE_POINT("worker started");
        if (!std::exchange(anchored_, true)) {
            const std::lock_guard<std::mutex> lock(mutex_);
            anchor_paths(options_);
        }
        guardian::watch(launched.directory, process->pid(), guarding);
        return std::make_shared<Worker>(std::move(launched), std::move(process), waiting);
    }

    void confirm() override {
        // Long there by now, as it came up beside the worker.
        if (const std::string why = guardian::confirm(); !why.empty())
            log_(LogLevel::info, "no guardian: " + why +
                                     "; should this program be killed while the worker is deep in native code, the "
                                     "worker goes on until that returns");
    }

    std::string session_directory() const override {
        const std::lock_guard<std::mutex> lock(mutex_);
        return directory_;
    }
    std::uint64_t epoch() const override { return epoch_; }
    std::vector<std::string> command_line() const override {
        const std::lock_guard<std::mutex> lock(mutex_);
        return command_line_;
    }

  private:
    /// Behind the script. Where no others are given, the session id, as servers of the older bridge read it there.
    std::vector<std::string> arguments() const {
        return options_.arguments.empty() ? std::vector<std::string>{name_.text()} : options_.arguments;
    }

    std::unique_ptr<SessionDirectory> make_directory() {
        try {
            return std::make_unique<SessionDirectory>(options_.workspace, name_.text());
        } catch (const RetryError& error) {
            const std::string taken = name_.text();
            if (error.code() != ErrorCode::conflict || !name_.make_unique()) throw;
            log_(LogLevel::info, "the session id is '" + name_.text() + "', as none was given and '" + taken +
                                     "' is in use by another session");
            return std::make_unique<SessionDirectory>(options_.workspace, name_.text());
        }
    }

    SessionOptions copied() const {
        const std::lock_guard<std::mutex> lock(mutex_);
        return options_;
    }

    /// Writes what the worker is to find.
    /// @returns how its process is started
    platform::SpawnOptions introduce(channel::Channel& first, const Launched& launched, const std::string& package) {
        const WakeUp wake_up = effective_wake_up(options_);
        protocol::SessionRecord record;
        record.session_id = name_.text();
        record.host_pid = platform::process_id();
        record.host_start_time = platform::process_start_time(record.host_pid);
        record.epoch = launched.epoch;
        const std::int64_t busy_wait_us = effective_busy_wait(options_);
        record.carriers = first.open(wake_up, launched.epoch, busy_wait_us);
        record.wake_up = wake_up == WakeUp::automatic ? "auto" : to_string(wake_up);
        record.features = {protocol::kBuffersFeature};
        platform::write_atomic(first.directory()->file(protocol::kSessionFile), protocol::encode_session(record));
        platform::SpawnOptions spawn;
        spawn.argv = launched.argv;
        spawn.environment = worker_environment(options_, package,
                                               {{"TR_SESSION_DIR", launched.directory},
                                                {"TR_HOST_PID", std::to_string(record.host_pid)},
                                                {"TR_WAKEUP", record.wake_up},
                                                {"TR_ARGUMENTS", std::to_string(options_.arguments.size())},
                                                {"TR_BUSY_WAIT_US", std::to_string(busy_wait_us)}});
        spawn.working_directory = options_.working_directory;
        spawn.output_path = first.directory()->file(protocol::kLogFile);
        return spawn;
    }

    /// Forks the worker from a template where that was asked for and can be done, else starts it.
    /// @param how is told which, and why not the other
    std::shared_ptr<platform::Process> start(const platform::SpawnOptions& spawn, const std::string& package,
                                             Deadline limit, const std::function<void()>& check,
                                             std::function<void()> on_exit, std::string& how) {
        how = "plain";
        if (options_.quick_start) {
            try {
                if (const std::string why = why_no_template(options_); !why.empty()) throw RestartError(why);
                const TemplateWorker::Kind kind{spawn.argv[0], package, worker_environment(options_, package, {}),
                                                options_.preload, fs::path(session_directory()).parent_path().string()};
                auto process = TemplateWorker::get(kind, limit, check)->fork(spawn, on_exit);
                how = "template";
                return process;
            } catch (const RestartError& error) {
                check();
                how += std::string(": ") + error.what();
                log_(LogLevel::info, std::string("no quick start: ") + error.what());
            }
        }
        return platform::Process::spawn(spawn, std::move(on_exit));
    }

    mutable std::mutex mutex_;  ///< over what check() and session_directory() look at
    SessionOptions options_;
    SessionName& name_;
    SessionLog& log_;
    std::string directory_;
    std::vector<std::string> command_line_;
    std::atomic<std::uint64_t> epoch_{0};
    std::uint64_t log_start_ = 0;
    bool anchored_ = false;  ///< the paths in the options no longer depend on the current directory
};

}  // namespace

WakeUp effective_wake_up(const SessionOptions& options) {
    if (options.wake_up != WakeUp::automatic) return options.wake_up;
    const std::string named = platform::environment_variable("TR_WAKEUP");
    return named.empty() ? WakeUp::automatic : wake_up_from_string(named);
}

std::int64_t effective_busy_wait(const SessionOptions& options) {
    if (options.busy_wait_us >= 0) return options.busy_wait_us;
    const std::string named = is_in_worker() ? "" : platform::environment_variable("TR_BUSY_WAIT_US");
    std::int64_t microseconds = -1;
    const auto [end, error] = std::from_chars(named.data(), named.data() + named.size(), microseconds);
    if (!named.empty() && (error != std::errc() || end != named.data() + named.size()))
        throw InputError("$TR_BUSY_WAIT_US is '" + named +
                         "': expected microseconds, 0 for no busy wait, or -1 for as long as it pays");
    return microseconds;
}

std::unique_ptr<Launcher> Launcher::of_own(const SessionOptions& options, SessionName& name, SessionLog& log) {
    return std::make_unique<OwnLauncher>(options, name, log);
}

}  // namespace tr::worker
