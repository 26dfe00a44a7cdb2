#include "channel/file_names.h"

#include <utility>

namespace tr::channel {

void FileNames::attach(std::shared_ptr<Mailbox> mailbox) {
    mailbox_ = std::move(mailbox);
    shared_ = false;
    known_.clear();
}

std::optional<platform::FileIdentity> FileNames::identify(const std::string& path) {
    if (!shared_) return platform::identify(path);
    // Read before the file system is asked: what changes meanwhile is asked for again.
    if (const auto state = mailbox_->names_state(); state != state_) {
        state_ = state;
        known_.clear();
    }
    if (const auto known = known_.find(path); known != known_.end()) return known->second;
    const auto found = platform::identify(path);
    if (found) known_.emplace(path, *found);
    return found;
}

bool FileNames::names(const std::string& path, std::uint64_t inode) {
    const auto found = identify(path);
    return found && found->inode == inode;
}

void FileNames::rename(const std::string& from, const std::string& to) {
    platform::rename_file(from, to);
    changed();
}

void FileNames::link(const std::string& path, const std::string& name) {
    platform::link_file(path, name);
    changed();
}

void FileNames::remove(const std::string& path) {
    platform::remove_file(path);
    changed();
}

void FileNames::changed() {
    if (mailbox_) mailbox_->tell_names_changed();
}

}  // namespace tr::channel
