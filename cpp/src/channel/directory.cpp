#include "channel/directory.h"

#include <system_error>

#include "platform/host.h"
#include "protocol/names.h"

namespace tr::channel {

FurtherDirectory::FurtherDirectory(const std::string& session_directory, const std::string& name)
    : owner_pid_(platform::process_id()) {
    const std::string parent = session_directory + "/" + protocol::kChannelsFolder;
    path_ = parent + "/" + name;
    hidden_ = parent + "/." + name;
    platform::remove_tree(hidden_);
    platform::make_private_directory(hidden_);
    platform::FileLock::try_acquire(hidden_ + "/" + protocol::kLockFile).release();
}

void FurtherDirectory::appear() {
    platform::rename_file(hidden_, path_);
    hold();
}

FurtherDirectory::~FurtherDirectory() {
    if (owner_pid_ != platform::process_id()) return;
    try {
        // First the name goes, by which the worker knows it.
        if (!mark_.lock_file.empty() && is_there()) platform::rename_file(path_, hidden_);
    } catch (const std::system_error&) {
        // The worker has swept it, or its session has gone.
    }
    platform::remove_tree(hidden_);
}

}  // namespace tr::channel
