#include "worker/template_worker.h"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

#include "platform/file.h"
#include "platform/fork.h"
#include "platform/host.h"
#include "platform/line_socket.h"
#include "platform/sequence_point.h"
#include "platform/timed_mutex.h"
#include "protocol/process_lines.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

using platform::Deadline;

/// A template only forks and reaps, so an answer that takes longer will not come.
constexpr std::int64_t kAnswerMs = 5'000;
constexpr std::int64_t kReapMs = 2'000;  ///< a death is to be known soon, rather than with its status
constexpr std::int64_t kStepMs = 200;    ///< between looks whether a wait is to be ended

class Template final : public TemplateWorker, public std::enable_shared_from_this<Template> {
  public:
    explicit Template(const Kind& kind) : channel_(platform::LineSocket::open()) {
        if (!channel_ || !platform::Process::can_adopt())
            throw RestartError("this operating system has no template workers");
        static std::atomic<unsigned> counter{0};
        log_ = kind.log_directory + "/.template-" + std::to_string(platform::process_id()) + "-" +
               std::to_string(counter.fetch_add(1)) + ".log";
        platform::SpawnOptions spawn;
        spawn.argv = {kind.interpreter, kind.package_directory + "/tech_renaissance/scripts/template.py"};
        spawn.argv.insert(spawn.argv.end(), kind.preload.begin(), kind.preload.end());
        spawn.environment = kind.environment;
        spawn.output_path = log_;
        spawn.input = channel_->child_end();
        try {
            process_ = platform::Process::spawn(spawn, [] {});
        } catch (const std::system_error& error) {
            throw RestartError(std::string("the template worker cannot be started: ") + error.what());
        }
        TR_SEQUENCE_POINT("template started");
        channel_->close_child_end();
    }

    /// Until it has imported everything.
    /// @returns false when the deadline passed first
    /// @throws RestartError when it cannot be used; what `check` throws
    bool wait_until_ready(Deadline deadline, const std::function<void()>& check) {
        while (!ready_) {
            const auto step = Deadline::after(kStepMs).sooner(deadline);
            const auto line = channel_->receive_line(step);
            if (line || !step.passed())
                hear(line);
            else if (deadline.passed())
                return false;
            else
                check();
        }
        return true;
    }

    std::unique_ptr<platform::Process> fork(const platform::SpawnOptions& options,
                                            std::function<void()> on_exit) override {
        const auto answer =
            ask(protocol::encode_fork({std::vector<std::string>(options.argv.begin() + 1, options.argv.end()),
                                       options.environment, options.working_directory, options.output_path}),
                kAnswerMs);
        if (!answer) {
            // It might come to fork a worker that nobody knows of. What it has forked ends with it.
            broken_ = true;
            process_->kill();
            throw RestartError("the template worker does not answer");
        }
        const std::int64_t pid = answer->pid;
        if (pid <= 0) throw RestartError("the template worker cannot fork: " + answer->reason);
        TR_SEQUENCE_POINT("worker forked");
        try {
            return platform::Process::adopt(
                pid, [self = shared_from_this(), pid] { return self->reap(pid); }, std::move(on_exit));
        } catch (const std::system_error& error) {
            throw RestartError(std::string("the worker that the template forked is of no use: ") + error.what());
        }
    }

    bool usable() const { return !broken_ && process_->alive(); }

  private:
    /// What it says when it has imported everything; nothing when it has ended before.
    void hear(const std::optional<std::string>& line) {
        constexpr std::size_t kLogBytes = 2048;
        const std::string tail = platform::read_tail(log_, kLogBytes);
        platform::remove_file(log_);  // it goes on writing to it, unseen
        broken_ = true;
        if (!line)
            throw RestartError("the template worker did not come up: " + (tail.empty() ? "no reason given" : tail));
        const auto hello = protocol::parse_template_reply(*line);
        if (!hello.ready) throw RestartError("the template worker cannot fork: " + hello.reason);
        broken_ = false;
        ready_ = true;
    }

    platform::ExitStatus reap(std::int64_t pid) {
        try {
            const auto answer = ask(protocol::encode_reap(pid), kReapMs);
            if (answer && answer->status) return platform::Process::decode_status(*answer->status);
        } catch (const RestartError&) {
            // The template has died, and its children with it.
        }
        platform::ExitStatus unknown;
        unknown.known = false;
        return unknown;
    }

    /// @returns nothing when no answer came in time
    /// @throws RestartError when it cannot be asked
    std::optional<protocol::TemplateReply> ask(const std::string& question, std::int64_t limit_ms) {
        const Deadline limit = Deadline::after(limit_ms);
        const std::unique_lock<TimedMutex> lock(mutex_, limit.when());
        if (!lock) return std::nullopt;
        try {
            channel_->send_line(question);
        } catch (const std::system_error& error) {
            throw RestartError(std::string("the template worker is gone: ") + error.what());
        }
        std::optional<std::string> line;
        for (++unanswered_; unanswered_ > 0; --unanswered_) {  // the last answer is to this question
            line = channel_->receive_line(limit);
            if (!line) return std::nullopt;
        }
        return protocol::parse_template_reply(*line);
    }

    std::string log_;
    bool ready_ = false;
    std::atomic<bool> broken_{false};
    TimedMutex mutex_;
    int unanswered_ = 0;  ///< questions whose answers were not waited for
    std::unique_ptr<platform::LineSocket> channel_;
    std::unique_ptr<platform::Process> process_;
};

/// The template of one kind.
struct Place {
    TimedMutex mutex;  ///< held by who waits for it to come up
    std::shared_ptr<Template> made;
};

using Key = std::tuple<std::string, std::string, std::vector<std::string>, std::vector<std::string>>;

struct Places {
    std::mutex mutex;
    std::map<Key, Place> all;

    Place& of(const TemplateWorker::Kind& kind) {
        const std::lock_guard<std::mutex> lock(mutex);
        return all[{kind.interpreter, kind.package_directory, kind.environment, kind.preload}];
    }
};

}  // namespace

std::shared_ptr<TemplateWorker> TemplateWorker::get(const Kind& kind, Deadline deadline,
                                                    const std::function<void()>& check) {
    const auto late = [] { return RestartError("the template worker is not ready yet, and the time limit passed"); };
    // A fork of the program has its own, as it has no threads to watch its parent's.
    Place& place = platform::process_wide<Places>().of(kind);
    std::unique_lock<TimedMutex> lock(place.mutex, std::defer_lock);
    while (!lock.try_lock_until(Deadline::after(kStepMs).sooner(deadline).when())) {
        if (deadline.passed()) throw late();
        check();
    }
    if (!place.made || !place.made->usable()) place.made = std::make_shared<Template>(kind);
    if (!place.made->wait_until_ready(deadline, check)) throw late();
    return place.made;
}

}  // namespace tr
