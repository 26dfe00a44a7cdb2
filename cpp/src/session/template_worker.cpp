#include "session/template_worker.h"

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <system_error>
#include <tuple>
#include <utility>

#include "platform/channel.h"
#include "platform/file.h"
#include "platform/host.h"
#include "platform/sequence_point.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

using nlohmann::json;
using platform::Deadline;

/// A template only forks and reaps, so an answer that takes longer will not come.
constexpr std::int64_t kAnswerMs = 10'000;

class Template final : public TemplateWorker, public std::enable_shared_from_this<Template> {
  public:
    Template(const Kind& kind, Deadline deadline) : channel_(platform::Channel::open()) {
        if (!channel_) throw RestartError("this operating system has no template workers");
        const std::string log = kind.log_directory + "/.template-" + std::to_string(platform::process_id()) + ".log";
        platform::SpawnOptions spawn;
        spawn.argv = {kind.interpreter, kind.package_directory + "/tech_renaissance/scripts/template.py"};
        spawn.argv.insert(spawn.argv.end(), kind.preload.begin(), kind.preload.end());
        spawn.environment = kind.environment;
        spawn.output_path = log;
        spawn.input = channel_->child_end();
        try {
            process_ = platform::Process::spawn(spawn, [] {});
        } catch (const std::system_error& error) {
            throw RestartError(std::string("the template worker cannot be started: ") + error.what());
        }
        TR_SEQUENCE_POINT("template started");
        channel_->close_child_end();
        const auto line = channel_->receive_line(deadline);
        constexpr std::size_t kLogBytes = 2048;
        const std::string tail = platform::read_tail(log, kLogBytes);
        platform::remove_file(log);  // it goes on writing to it, unseen
        if (!line)
            throw RestartError("the template worker did not come up: " + (tail.empty() ? "no reason given" : tail));
        const json hello = json::parse(*line, nullptr, false);
        if (!hello.is_object() || hello.value("ready", false) != true)
            throw RestartError("the template worker cannot fork: " + hello.value("reason", *line));
    }

    std::unique_ptr<platform::Process> fork(const platform::SpawnOptions& options,
                                            std::function<void()> on_exit) override {
        const json answer =
            ask({{"fork",
                  {{"arguments", std::vector<std::string>(options.argv.begin() + 1, options.argv.end())},
                   {"environment", options.environment},
                   {"working_directory", options.working_directory},
                   {"output", options.output_path}}}});
        const std::int64_t pid = answer.value("pid", std::int64_t{0});
        if (pid <= 0)
            throw RestartError("the template worker cannot fork: " + answer.value("reason", "no reason given"));
        TR_SEQUENCE_POINT("worker forked");
        auto self = shared_from_this();
        auto process = platform::Process::adopt(pid, [self, pid] { return self->reap(pid); }, std::move(on_exit));
        if (!process) throw RestartError("this operating system cannot watch a worker that another process forked");
        return process;
    }

    bool alive() const { return process_->alive(); }

  private:
    platform::ExitStatus reap(std::int64_t pid) {
        try {
            const json answer = ask({{"reap", pid}});
            if (answer.contains("status")) return platform::Process::decode_status(answer["status"].get<int>());
        } catch (const std::exception&) {
            // The template has died, and its children with it.
        }
        platform::ExitStatus unknown;
        unknown.known = false;
        return unknown;
    }

    json ask(const json& question) {
        const std::lock_guard<std::mutex> lock(mutex_);
        try {
            channel_->send_line(question.dump());
        } catch (const std::system_error& error) {
            throw RestartError(std::string("the template worker is gone: ") + error.what());
        } catch (const json::exception&) {
            throw RestartError("a template cannot be told a path, argument or variable that is not UTF-8");
        }
        const auto line = channel_->receive_line(Deadline::after(kAnswerMs));
        if (!line) throw RestartError("the template worker does not answer");
        const json answer = json::parse(*line, nullptr, false);
        return answer.is_object() ? answer : json::object();
    }

    std::mutex mutex_;
    std::unique_ptr<platform::Channel> channel_;
    std::unique_ptr<platform::Process> process_;
};

}  // namespace

std::shared_ptr<TemplateWorker> TemplateWorker::get(const Kind& kind, Deadline deadline) {
    using Key = std::tuple<std::string, std::string, std::vector<std::string>, std::vector<std::string>, std::int64_t>;
    // Never destroyed: sessions may be static objects too, and templates end with the program by themselves.
    static auto* const mutex = new std::mutex;
    static auto* const templates = new std::map<Key, std::shared_ptr<Template>>;
    const std::lock_guard<std::mutex> lock(*mutex);
    // With the pid, as a fork of the program has no threads to watch its parent's template.
    auto& found = (*templates)[{kind.interpreter, kind.package_directory, kind.environment, kind.preload,
                                platform::process_id()}];
    if (!found || !found->alive()) found = std::make_shared<Template>(kind, deadline);
    return found;
}

}  // namespace tr
