// With keep_on_failure: a failure's request, tensors, log and what the host knows, in a directory of their own.
#include <filesystem>
#include <system_error>
#include <utility>

#include "data/tsr_header.h"
#include "platform/file.h"
#include "protocol/failure_record.h"
#include "protocol/names.h"
#include "session/session_impl.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
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

}  // namespace

/// To be called when a request has failed and nothing of it has been overwritten yet. Never throws: the failure itself
/// is what the caller is to hear of.
/// @param started false when no process came of a start: what is there of the worker before has been kept at its end
void PythonSession::Impl::keep(const std::exception_ptr& error, bool started) {
    if (!options_.keep_on_failure || !directory_) return;
    std::string target;
    try {
        target = directory_->make_kept();
        protocol::FailureRecord record = describe(error, started);
        if (in_flight_ && started) platform::write_atomic(target + "/" + protocol::kRequestFile, in_flight_->text);
        for (const char* name : {protocol::kSessionFile, protocol::kHelloFile, protocol::kStatusFile})
            if (started) copy_text(directory_->file(name), target + "/" + name);
        platform::write_atomic(target + "/" + protocol::kLogFile,
                               platform::read_tail(directory_->file(protocol::kLogFile), kMostLog));
        record.tensors = keep_tensors(target);
        platform::write_atomic(target + "/" + protocol::kFailureFile, protocol::encode_failure(record));
        log_(LogLevel::info, "the failure is kept in '" + target + "': python -m tech_renaissance replay " + target);
    } catch (const std::exception& problem) {  // std::system_error, std::bad_alloc, ...
        if (!target.empty()) platform::remove_tree(target);
        log_(LogLevel::warning, std::string("the failure could not be kept: ") + problem.what());
        return;
    }
    const std::lock_guard<std::mutex> lock(state_mutex_);
    stats_.kept = target;
    kept_.push_back(std::move(target));
    if (kept_.size() <= kMostKept) return;
    platform::remove_tree(kept_.front());
    kept_.pop_front();
}

/// Those of the request as the caller passed them, as far as they are at hand: the server may have written to its own.
std::map<std::string, bool> PythonSession::Impl::keep_tensors(const std::string& target) const {
    std::map<std::string, bool> kept;
    const auto* views = in_flight_ ? in_flight_->tensors : nullptr;
    for (std::size_t i = 0; views != nullptr && i < views->size(); ++i) {
        const std::string tag(1, static_cast<char>('a' + i));
        write_tensor((*views)[i], target + "/" + tag + protocol::kTensorSuffix);
        kept[tag] = true;
    }
    for (const auto& entry : fs::directory_iterator(directory_->path())) {
        const std::string tag = entry.path().stem().string();
        if (entry.path().extension() != protocol::kTensorSuffix || !protocol::is_tag(tag) || kept.count(tag) != 0)
            continue;
        kept[tag] = false;
        if (platform::identify(entry.path().string()))  // else it is no file, whoever has put it there
            keep_file(entry.path().string(), target + "/" + entry.path().filename().string(),
                      carrier_ == mailbox_carrier_);
    }
    return kept;
}

protocol::FailureRecord PythonSession::Impl::describe(const std::exception_ptr& error, bool started) const {
    const std::lock_guard<std::mutex> lock(state_mutex_);
    protocol::FailureRecord record;
    record.session_id = session_id_;
    record.epoch = stats_.epoch;
    record.kind = "error";
    if (in_flight_ && started) {
        record.request_id = in_flight_->id;
        record.command = in_flight_->command;
        record.waited_ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(Deadline::Clock::now() - in_flight_->sent).count();
    }
    if (const auto status = process_ && started ? process_->status() : std::nullopt; status && status->known) {
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
    record.worker = worker_argv_;
    record.working_directory = options_.working_directory.empty() ? fs::current_path().string()
                                                                  : fs::absolute(options_.working_directory).string();
    for (const auto& [name, value] : options_.environment) record.environment.push_back(name);
    record.worker_pid = stats_.worker_pid;
    record.session = {{"carrier", stats_.carrier},
                      {"host_wake_up", stats_.host_wake_up},
                      {"worker_wake_up", started ? stats_.worker_wake_up : ""},
                      {"fallback", stats_.fallback},
                      {"start", stats_.start},
                      {"file_system", stats_.file_system}};
    record.counts = {{"requests", stats_.requests}, {"responses", stats_.responses}, {"failures", stats_.failures}};
    return record;
}

}  // namespace tr
