#include "worker/session_directory.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <system_error>

#include "channel/place_error.h"
#include "platform/fork.h"
#include "platform/host.h"
#include "protocol/message.h"
#include "protocol/names.h"
#include "protocol/records.h"
#include "tech_renaissance/utils/tr_exception.h"
#include "worker/launch_plan.h"

namespace tr {
namespace {

namespace fs = std::filesystem;

/// Where the system's file locks do not keep a process from itself, it has to know its own sessions. Held also over a
/// sweep: merely opening and closing the lock file of one of ours would free its lock.
struct OwnSessions {
    std::mutex mutex;
    std::set<std::string> paths;
};

}  // namespace

Choice choose_workspace(const std::string& option) {
    if (!option.empty()) return {option, "SessionOptions::workspace"};
    if (auto named = platform::environment_variable("TR_WORKSPACE"); !named.empty()) return {named, "$TR_WORKSPACE"};
    const std::string folder = "/tech_renaissance-" + platform::user_id();
    // Docker gives a container 64 MB, which the first large tensor would fill.
    constexpr std::uint64_t kRoom = 256ULL << 20;
    const std::string shared = platform::shared_memory_directory();
    if (!shared.empty() && platform::free_bytes(shared) >= kRoom) return {shared + folder, "tmpfs with room"};
    const std::string why =
        shared.empty() ? "there is no tmpfs that can be written to" : "less than 256 MB are free on " + shared;
    return {platform::temporary_directory() + folder, "temporary directory, as " + why};
}

namespace {

/// Throws what says why a place cannot be used, with advice where there is any.
[[noreturn]] void refuse(const std::string& attempt, const std::system_error& error, const std::string& path) {
    if (channel::place_advice(error, path).empty())
        throw InputError(attempt + ": " + error.what() +
                         "; expected a directory, or a place where one can be made: name another workspace in "
                         "SessionOptions::workspace or $TR_WORKSPACE");
    channel::throw_place_error(error, path, 0, attempt);
}

void make_directory(const std::string& path, const std::string& reason) {
    try {
        platform::make_private_directory(path);
    } catch (const std::system_error& error) {
        refuse("cannot use the workspace chosen by " + reason, error, path);
    }
}

/// Creates what is missing of a directory that only this user may change.
void make_own_directory(const std::string& path, const std::string& reason) {
    make_directory(path, reason);
    if (const std::string why = platform::why_not_private(path); !why.empty())
        throw InputError("refusing the workspace '" + path + "', chosen by " + reason + ": " + why +
                             "; expected a directory of your own that nobody else may write to (chmod 700), or name "
                             "another one in SessionOptions::workspace or $TR_WORKSPACE",
                         ErrorCode::permission_denied);
}

/// The name of a session directory that is being made or removed. Who finds one under the lock of the workspace finds
/// what a dead host left.
std::string hidden_name(const std::string& path) {
    return (fs::path(path).parent_path() / ("." + fs::path(path).filename().string())).string();
}

/// Under the lock of the workspace. First the name goes: half a directory might be taken for an older host's.
void remove_session(const std::string& path) {
    const std::string hidden = hidden_name(path);
    std::error_code error;
    fs::rename(path, hidden, error);
    platform::remove_tree(error ? path : hidden);
}

/// The log of a template whose host died before it could remove it.
void remove_template_log(const std::string& path, const std::string& name) {
    const std::string prefix = ".template-";
    std::error_code error;
    if (name.rfind(prefix, 0) == 0 && !platform::process_lives(std::atoll(name.c_str() + prefix.size())))
        fs::remove(path, error);
}

/// Removes session directories whose host is gone. Called under the lock of `parent` and of OwnSessions.
void sweep(const std::string& parent, const std::set<std::string>& ours) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(parent, error)) {
        const std::string path = entry.path().string();
        const std::string name = entry.path().filename().string();
        remove_template_log(path, name);
        const bool unfinished = name.rfind(std::string(".") + kSessionPrefix, 0) == 0;
        if ((!unfinished && name.rfind(kSessionPrefix, 0) != 0) || ours.count(path) != 0) continue;
        if (!platform::why_not_private(path).empty()) continue;
        if (unfinished) {
            platform::remove_tree(path);
            continue;
        }
        try {
            const std::string lock_path = path + "/" + protocol::kLockFile;
            if (!platform::file_exists(lock_path)) continue;  // of an older host, which takes no lock
            const auto lock = platform::FileLock::try_acquire(lock_path);
            if (!lock) continue;
            // A file system without locks grants any: then the record has to tell whether the host lives.
            const auto text = platform::read_file(path + "/" + protocol::kSessionFile, protocol::kMaxRecordBytes);
            const auto record = text ? protocol::parse_session(*text) : std::nullopt;
            if (record && platform::process_lives(record->host_pid) &&
                platform::process_start_time(record->host_pid) == record->host_start_time)
                continue;
            remove_session(path);
        } catch (const std::system_error&) {
            continue;  // not ours to clear away, or gone meanwhile
        }
    }
}

}  // namespace

std::string sessions_folder(const Choice& workspace) {
    return (fs::absolute(workspace.path) / "python_session").lexically_normal().string();
}

std::string session_path(const std::string& workspace_option, const std::string& session_id) {
    return sessions_folder(choose_workspace(workspace_option)) + "/" + kSessionPrefix + session_id;
}

std::string unique_session_id() {
    static std::atomic<unsigned> counter{0};
    // Another copy of this library in this process counts for itself. Its counter is at another place.
    constexpr unsigned kPage = 12;
    constexpr std::uintptr_t kPlaces = 0x10000;
    const auto copy = (reinterpret_cast<std::uintptr_t>(&counter) >> kPage) % kPlaces;
    return "auto-" + std::to_string(platform::process_id()) + "-" + std::to_string(copy) + "-" +
           std::to_string(counter.fetch_add(1));
}

SessionDirectory::SessionDirectory(const std::string& workspace_option, const std::string& session_id)
    : session_id_(session_id), owner_pid_(platform::process_id()) {
    const Choice workspace = choose_workspace(workspace_option);
    const std::string root = fs::absolute(workspace.path).lexically_normal().string();
    std::error_code error;
    fs::create_directories(fs::path(root).parent_path(), error);  // make_own_directory says what is wrong
    // A workspace that the user named may be shared with others for reading; the folder inside it may not.
    if (workspace_option.empty() && platform::environment_variable("TR_WORKSPACE").empty()) {
        make_own_directory(root, workspace.reason);
    } else {
        make_directory(root, workspace.reason);
    }
    const std::string parent = sessions_folder(workspace);
    make_own_directory(parent, workspace.reason);
    path_ = parent + "/" + kSessionPrefix + session_id_;
    reason_ = workspace.reason;
    try {
        claim(parent);
    } catch (const std::system_error& failure) {
        refuse("cannot create the session directory", failure, path_);
    }
}

void SessionDirectory::claim(const std::string& parent) {
    auto& own = platform::process_wide<OwnSessions>();
    const std::lock_guard<std::mutex> guard(own.mutex);
    const auto in_use = [this](const std::string& who) {
        throw RetryError("the session id '" + session_id_ + "' is in use by " + who + " ('" + path_ +
                             "'); stop that session, choose another id, or give none for one that is free",
                         ErrorCode::conflict);
    };
    if (own.paths.count(path_) != 0) in_use("another session of this program");
    const auto workspace_lock = platform::FileLock::acquire(parent + "/.lock");
    sweep(parent, own.paths);
    if (platform::file_exists(path_)) {
        if (const std::string why = platform::why_not_private(path_); !why.empty())
            throw InputError(
                "refusing the session directory '" + path_ + "': " + why + "; remove it, or choose another session id",
                ErrorCode::permission_denied);
        lock_ = platform::FileLock::try_acquire(file(protocol::kLockFile));
        if (!lock_) {
            const auto text = platform::read_file(file(protocol::kSessionFile), protocol::kMaxRecordBytes);
            const auto record = text ? protocol::parse_session(*text) : std::nullopt;
            if (record && record->host_pid == platform::process_id())
                in_use("another copy of this library in this program");
            in_use(record ? "process " + std::to_string(record->host_pid) : "another process");
        }
        // Left by a dead host, or by hand: nothing of it may be taken for this session's.
        lock_.release();
        remove_session(path_);
    }
    // It appears with its lock in it, as one without is an older host's and never swept.
    const std::string hidden = hidden_name(path_);
    platform::make_private_directory(hidden);
    try {
        platform::FileLock::try_acquire(hidden + "/" + protocol::kLockFile).release();
    } catch (const std::system_error&) {
        platform::remove_tree(hidden);
        throw;
    }
    platform::rename_file(hidden, path_);
    lock_ = platform::FileLock::try_acquire(file(protocol::kLockFile));
    if (!lock_) in_use("another process");
    know_again();
    own.paths.insert(path_);
}

SessionDirectory::~SessionDirectory() {
    if (owner_pid_ != platform::process_id()) return;
    auto& own = platform::process_wide<OwnSessions>();
    const std::lock_guard<std::mutex> guard(own.mutex);
    platform::FileLock workspace_lock;
    try {
        workspace_lock = platform::FileLock::acquire(fs::path(path_).parent_path().string() + "/.lock");
    } catch (const std::system_error&) {
        // The workspace has been removed under us; then nobody else starts a session in it either.
    }
    const auto found = platform::identify(mark_.lock_file);
    const bool of_another = found && found->inode != mark_.inode;
    lock_.release();  // first, as not every system removes a directory with an open file in it
    if (!of_another) remove_session(path_);
    own.paths.erase(path_);
}

std::string make_kept(const std::string& session_directory, const std::string& session_id) {
    const std::string name =
        (fs::path(session_directory).parent_path() / ("kept_" + session_id + "_" + std::to_string(protocol::now_ms())))
            .string();
    std::string path = name;
    for (int number = 2; !platform::make_private_directory(path); ++number) path = name + "-" + std::to_string(number);
    return path;
}

}  // namespace tr
