#include "session/post_mortem.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "data/tsr_header.h"
#include "platform/file.h"
#include "protocol/failure_record.h"
#include "protocol/message.h"
#include "protocol/names.h"
#include "tech_renaissance/utils/tr_exception.h"
#include "worker/liveness.h"
#include "worker/session_directory.h"

namespace tr::session {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMostKept = 16;         ///< directories of a session; the oldest goes
constexpr std::size_t kMostLog = 1ULL << 20;  ///< bytes of the log's end

void copy_text(const std::string& from, const std::string& to) {
    if (const auto text = platform::read_file(from, protocol::kMaxMessageBytes)) platform::write_atomic(to, *text);
}

void write_tensor(const TensorView& tensor, const std::string& path) {
    const auto header = encode_tsr_header(tensor.dtype(), tensor.shape());
    platform::write_atomic(path, {reinterpret_cast<const char*>(header.data()), header.size()},
                           {static_cast<const char*>(tensor.data()), tensor.nbytes()});
}

/// @param shared either side may still write to its memory: a second name for it keeps it only where a copy finds no
/// room
void keep_file(const std::string& from, const std::string& to, bool shared) {
    std::error_code error;
    if (shared && fs::copy_file(from, to, error)) return;
    platform::remove_file(to);
    try {
        platform::link_file(from, to);
    } catch (const std::system_error&) {
        fs::copy_file(from, to);
    }
}

/// Those of the request as the caller passed them, as far as they are at hand: the server may have written to its own.
std::map<std::string, bool> keep_tensors(const channel::Channel& channel, const std::string& target) {
    std::map<std::string, bool> kept;
    const auto* views = channel.request() ? channel.request()->tensors : nullptr;
    for (std::size_t i = 0; views != nullptr && i < views->size(); ++i) {
        const std::string tag = protocol::input_tag(i);
        write_tensor((*views)[i], target + "/" + tag + protocol::kTensorSuffix);
        kept[tag] = true;
    }
    const bool shared = channel.tensors()->is_shared();
    for (const auto& entry : fs::directory_iterator(channel.directory()->path())) {
        const std::string tag = entry.path().stem().string();
        if (entry.path().extension() != protocol::kTensorSuffix || !protocol::is_tag(tag) || kept.count(tag) != 0)
            continue;
        kept[tag] = false;
        if (platform::identify(entry.path().string()))  // else it is no file, whoever has put it there
            keep_file(entry.path().string(), target + "/" + entry.path().filename().string(), shared);
    }
    return kept;
}

}  // namespace

void PostMortem::keep(const std::exception_ptr& error, const channel::Channel& channel,
                      const std::string& session_directory, const worker::Worker* worker,
                      const std::vector<std::string>& command_line, const SessionStats& stats) {
    if (!wanted() || session_directory.empty() || channel.directory() == nullptr) return;
    const auto* directory = channel.directory();
    const auto* request = worker != nullptr && channel.request() ? &*channel.request() : nullptr;
    std::string target;
    try {
        target = make_kept(session_directory, name_.text());
        auto record = describe(error, request, worker, stats);
        record.worker = command_line;
        if (request != nullptr) platform::write_atomic(target + "/" + protocol::kRequestFile, request->text);
        for (const char* name : {protocol::kSessionFile, protocol::kHelloFile, protocol::kStatusFile})
            if (worker != nullptr) copy_text(directory->file(name), target + "/" + name);
        platform::write_atomic(target + "/" + protocol::kLogFile,
                               platform::read_tail(session_directory + "/" + protocol::kLogFile, kMostLog));
        record.tensors = keep_tensors(channel, target);
        platform::write_atomic(target + "/" + protocol::kFailureFile, protocol::encode_failure(record));
        log_(LogLevel::info, "the failure is kept in '" + target + "': python -m tech_renaissance replay " + target);
    } catch (const std::exception& problem) {  // std::system_error, std::bad_alloc, ...
        if (!target.empty()) platform::remove_tree(target);
        log_(LogLevel::warning, std::string("the failure could not be kept: ") + problem.what());
        return;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    kept_.push_back(std::move(target));
    if (kept_.size() <= kMostKept) return;
    platform::remove_tree(kept_.front());
    kept_.pop_front();
}

std::string PostMortem::last() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return kept_.empty() ? "" : kept_.back();
}

protocol::FailureRecord PostMortem::describe(const std::exception_ptr& error, const channel::Request* request,
                                             const worker::Worker* worker, const SessionStats& stats) const {
    protocol::FailureRecord record;
    record.session_id = name_.text();
    record.epoch = stats.epoch;
    record.kind = "error";
    if (request != nullptr) {
        record.request_id = request->id;
        record.command = request->command;
        record.waited_ms = worker::milliseconds_since(request->sent);
    }
    if (const auto status = worker != nullptr ? worker->status() : std::nullopt; status && status->known) {
        record.kind = "death";
        (status->signal != 0 ? record.signal : record.exit_code) = status->signal != 0 ? status->signal : status->code;
    }
    try {
        std::rethrow_exception(error);
    } catch (const TRException& failure) {
        record.code = to_string(failure.code());
        record.message = failure.what();
        record.python_type = failure.python_type();
        record.traceback = failure.traceback();
        if (!failure.python_type().empty()) record.kind = "error";  // it was answered, whatever came afterwards
        if (failure.code() == ErrorCode::timeout && record.kind != "death") record.kind = "timeout";
    } catch (const std::exception& failure) {
        record.message = failure.what();
    }
    record.working_directory = options_.working_directory.empty() ? fs::current_path().string()
                                                                  : fs::absolute(options_.working_directory).string();
    for (const auto& [name, value] : options_.environment) record.environment.push_back(name);
    record.arguments = options_.arguments.size();
    record.worker_pid = stats.worker_pid;
    record.session = {{"carrier", stats.carrier},
                      {"host_wake_up", stats.host_wake_up},
                      {"worker_wake_up", worker != nullptr ? stats.worker_wake_up : ""},
                      {"fallback", stats.fallback},
                      {"start", stats.start},
                      {"file_system", stats.file_system}};
    record.counts = {{"requests", stats.requests}, {"responses", stats.responses}, {"failures", stats.failures}};
    return record;
}

}  // namespace tr::session
