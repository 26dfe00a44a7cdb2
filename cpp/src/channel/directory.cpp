#include "channel/directory.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "platform/host.h"
#include "protocol/names.h"

namespace tr::channel {
namespace {

/// What programs have left there that died as they made or removed a channel: nobody else knows of it.
void remove_unfinished(const std::string& parent) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(parent, error)) {
        const std::string name = entry.path().filename().string();
        if (name.size() < 2 || name.front() != '.') continue;
        const long long pid = std::atoll(name.c_str() + 1);
        if (pid > 0 && !platform::process_lives(pid)) platform::remove_tree(entry.path().string());
    }
}

}  // namespace

FurtherDirectory::FurtherDirectory(const std::string& session_directory, const std::string& name)
    : owner_pid_(platform::process_id()) {
    const std::string parent = session_directory + "/" + protocol::kChannelsFolder;
    path_ = parent + "/" + name;
    hidden_ = parent + "/." + name;
    remove_unfinished(parent);
    platform::make_private_directory(hidden_);
    platform::FileLock::try_acquire(hidden_ + "/" + protocol::kLockFile).release();
}

void FurtherDirectory::appear() {
    platform::rename_file(hidden_, path_);
    // Not before, as Windows renames no directory with an open file in it.
    lock_ = platform::FileLock::try_acquire(file(protocol::kLockFile));
    know_again();
}

FurtherDirectory::~FurtherDirectory() {
    if (owner_pid_ != platform::process_id()) return;
    lock_.release();
    try {
        // First the name goes, by which the worker knows it.
        if (!mark_.lock_file.empty() && is_there()) platform::rename_file(path_, hidden_);
    } catch (const std::system_error&) {
        // The worker has swept it, or its session has gone.
    }
    platform::remove_tree(hidden_);
}

}  // namespace tr::channel
