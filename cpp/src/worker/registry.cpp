#include "worker/registry.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "platform/file.h"
#include "platform/host.h"
#include "protocol/names.h"
#include "protocol/records.h"
#include "tech_renaissance/utils/tr_exception.h"
#include "worker/session_directory.h"

namespace tr::worker {
namespace {

namespace fs = std::filesystem;

std::optional<Found> look_into(const std::string& directory) {
    if (!platform::why_not_private(directory).empty()) return std::nullopt;
    try {
        const auto text = platform::read_file(directory + "/" + protocol::kSessionFile, protocol::kMaxRecordBytes);
        const auto record = text ? protocol::parse_session(*text) : std::nullopt;
        if (!record || !platform::process_lives(record->host_pid) ||
            platform::process_start_time(record->host_pid) != record->host_start_time)
            return std::nullopt;
        Found found{directory, *record, std::nullopt};
        // The status is the last thing that a worker writes before it takes requests.
        if (!platform::file_exists(directory + "/" + protocol::kStatusFile)) return found;
        const auto hello = platform::read_file(directory + "/" + protocol::kHelloFile, protocol::kMaxRecordBytes);
        if (hello) found.hello = protocol::parse_hello(*hello);
        if (found.hello && found.hello->epoch != found.record.epoch) found.hello.reset();
        return found;
    } catch (const std::system_error&) {
        return std::nullopt;
    } catch (const InputError&) {
        return std::nullopt;
    }
}

}  // namespace

std::vector<Found> find_sessions(const std::string& workspace) {
    std::vector<Found> all;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(sessions_folder(choose_workspace(workspace)), error)) {
        if (entry.path().filename().string().rfind(kSessionPrefix, 0) != 0) continue;
        if (auto found = look_into(entry.path().string())) all.push_back(std::move(*found));
    }
    std::sort(all.begin(), all.end(),
              [](const Found& a, const Found& b) { return a.record.session_id < b.record.session_id; });
    return all;
}

std::optional<Found> find_session(const std::string& workspace, const std::string& session_id) {
    return look_into(session_path(workspace, session_id));
}

bool is_about_to_start(const std::string& directory) {
    return platform::why_not_private(directory).empty() &&
           platform::file_exists(directory + "/" + protocol::kLockFile) &&
           !platform::file_exists(directory + "/" + protocol::kSessionFile);
}

}  // namespace tr::worker
