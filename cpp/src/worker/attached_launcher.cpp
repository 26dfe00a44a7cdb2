// Workers that another program of this user runs: this one takes a channel of theirs.
#include <atomic>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "channel/doorbell.h"
#include "platform/file.h"
#include "platform/host.h"
#include "platform/mapping_guard.h"
#include "protocol/names.h"
#include "protocol/records.h"
#include "tech_renaissance/utils/tr_exception.h"
#include "worker/launcher.h"
#include "worker/registry.h"
#include "worker/session_directory.h"

namespace tr::worker {
namespace {

using platform::Deadline;
constexpr std::chrono::milliseconds kStep(200);  ///< between looks whether a wait is to be ended

class AttachedLauncher final : public Launcher {
  public:
    AttachedLauncher(const SessionOptions& options, const std::string& session_id, SessionLog& log)
        : options_(options), session_id_(session_id), log_(log) {}

    void check() const override { find(); }

    void prepare(channel::Channel& first) override {
        first.leave();
        auto found = find();
        const std::lock_guard<std::mutex> lock(mutex_);
        directory_ = std::move(found.directory);
    }

    std::shared_ptr<Worker> launch(channel::Channel& first, Deadline limit,
                                   const std::function<void()>& check) override {
        Launched launched;
        launched.limit = Deadline::after(options_.start_timeout_ms);
        std::shared_ptr<channel::Mailbox> first_mailbox;
        const Found found = wait_for_mailbox(limit.sooner(launched.limit), check, first_mailbox);
        if (!found.hello->has_feature("channels"))
            throw InputError("the worker of session '" + session_id_ +
                             "' serves its own program alone: its package tech_renaissance is older than this library");
        Further further{
            directory_,   session_id_, "", false, found.record.epoch, WakeUp::automatic, effective_busy_wait(options_),
            first_mailbox};
        const std::string& tier = found.hello->wake_up;
        if (!first_mailbox) further.wake_up = tier == "polling" ? WakeUp::polling : WakeUp::automatic;
        launched.epoch = epoch_ = found.record.epoch;
        launched.directory = directory_;
        launched.owner = found.record.host_pid;
        launched.start = "attached";
        launched.interpreter.path = found.hello->executable;
        launched.command = found.hello->executable + ", started by process " + std::to_string(launched.owner);
        if (const auto log = platform::identify(directory_ + "/" + protocol::kLogFile)) launched.log_start = log->size;
        const auto waiting = std::make_shared<Waiting>();
        std::shared_ptr<platform::Process> process;
        try {
            process = platform::Process::observe(found.hello->pid, [waiting] { waiting->wake_all(); });
        } catch (const std::system_error& error) {
            throw RestartError("the worker of session '" + session_id_ + "' cannot be attached to: " + error.what(),
                               ErrorCode::server_error, true);  // it has just ended; another one may come
        }
        log_(LogLevel::info, "channel '" + open_further(first, further) + "' in '" + directory_ + "'");
        for (const auto& carrier : first.carriers()) waiting->add(carrier);
        auto worker = std::make_shared<Worker>(std::move(launched), std::move(process), waiting);
        worker->says_ready();
        return worker;
    }

    void confirm() override {}
    std::string session_directory() const override {
        const std::lock_guard<std::mutex> lock(mutex_);
        return directory_;
    }
    std::uint64_t epoch() const override { return epoch_; }

  private:
    Found find() const {
        const std::string before = session_directory();
        for (int look = 0; look < 2; ++look) {  // as its record may appear between the two questions
            if (auto found = find_session(options_.workspace, session_id_)) return std::move(*found);
            if (!before.empty() && is_about_to_start(before)) return {before, {}, std::nullopt};
        }
        std::string known;
        for (const auto& other : find_sessions(options_.workspace))
            known += (known.empty() ? "" : ", ") + other.record.session_id;
        throw NotFoundError("there is no session '" + session_id_ + "' to attach to in '" +
                            sessions_folder(choose_workspace(options_.workspace)) +
                            "'; sessions that run there: " + (known.empty() ? "none" : known) +
                            ". It is started by another program of this user, " + "with this id and in this workspace");
    }

    /// @param mailbox that of the worker's first channel, where it has one
    Found wait_for_mailbox(Deadline limit, const std::function<void()>& check,
                           std::shared_ptr<channel::Mailbox>& mailbox) const {
        for (;;) {
            Found found = wait_for_hello(limit, check);
            if (found.hello->carrier != "mailbox") return found;
            try {
                mailbox = channel::Mailbox::open(directory_ + "/" + protocol::kMailboxFile, found.record.epoch,
                                                 channel::Mailbox::Side::host);
                return found;
            } catch (const std::exception&) {
                // Its owner may be about to start another worker, and make another mailbox.
                const auto now = find_session(options_.workspace, session_id_);
                if (now && now->hello && now->record.epoch == found.record.epoch) throw;
            }
        }
    }

    Found wait_for_hello(Deadline limit, const std::function<void()>& check) const {
        std::string fallback;
        const auto doorbell = channel::open_doorbell(WakeUp::automatic, directory_, fallback);
        for (;;) {
            Found found = find();
            if (found.hello) return found;
            if (limit.passed())
                throw RestartError("the worker of session '" + session_id_ +
                                   "' is not ready, or of an older kind that serves its own program alone, and the "
                                   "time limit passed while it was waited for: raise start_timeout_ms, or see '" +
                                   directory_ + "/" + protocol::kLogFile + "'");
            doorbell->wait(Deadline::at(Deadline::Clock::now() + kStep).sooner(limit));
            check();
        }
    }

    const SessionOptions options_;
    const std::string session_id_;
    SessionLog& log_;
    mutable std::mutex mutex_;  ///< over the next
    std::string directory_;
    std::atomic<std::uint64_t> epoch_{0};
};

}  // namespace

std::string open_further(channel::Channel& channel, const Further& further) {
    static std::atomic<unsigned> counter{0};
    const std::string name = std::to_string(platform::process_id()) + "-" + std::to_string(counter.fetch_add(1));
    auto directory = std::make_unique<channel::FurtherDirectory>(further.session_directory, name);
    std::shared_ptr<channel::Mailbox> mailbox;
    if (further.first)
        mailbox = channel::Mailbox::create(directory->unfinished() + "/" + protocol::kMailboxFile, further.epoch,
                                           further.busy_wait_us);
    protocol::SessionRecord record;
    record.session_id = further.session_id;
    record.host_pid = platform::process_id();
    record.host_start_time = platform::process_start_time(record.host_pid);
    record.epoch = further.epoch;
    record.carriers = mailbox ? std::vector<std::string>{"mailbox", "files"} : std::vector<std::string>{"files"};
    record.wake_up = further.wake_up == WakeUp::automatic ? "auto" : to_string(further.wake_up);
    record.features = {protocol::kBuffersFeature};
    if (further.has_tags_of) record.tags_of = further.tags_of;
    platform::write_atomic(directory->unfinished() + "/" + protocol::kSessionFile, protocol::encode_session(record));
    directory->appear();
    channel.move_into(std::move(directory));
    try {
        channel.open_further(further.wake_up, further.epoch, mailbox, further.first);
    } catch (...) {
        channel.leave();
        throw;
    }
    if (!further.first) return name;  // the worker watches the directory that it appeared in
    further.first->tell_channels_changed();
    return name;
}

std::unique_ptr<Launcher> Launcher::attached(const SessionOptions& options, const std::string& session_id,
                                             SessionLog& log) {
    return std::make_unique<AttachedLauncher>(options, session_id, log);
}

}  // namespace tr::worker
