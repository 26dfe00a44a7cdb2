#include "channel/file_names.h"

#include <iterator>
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

/// A change of this side.
/// @returns whether what is known is still true but for that
bool FileNames::count() {
    const bool current = shared_ && mailbox_->names_state() == state_;
    changed();
    // The lower half is what this side has counted.
    if (current) state_ = (state_ & ~std::uint64_t{UINT32_MAX}) | static_cast<std::uint32_t>(state_ + 1);
    return current;
}

/// Under whatever names it is known, as it has one more or less.
void FileNames::forget_file_at(const std::string& path) {
    const auto found = known_.find(path);
    if (found == known_.end()) {
        known_.clear();  // it may be known under another
        return;
    }
    const auto inode = found->second.inode;
    for (auto entry = known_.begin(); entry != known_.end();)
        entry = entry->second.inode == inode ? known_.erase(entry) : std::next(entry);
}

void FileNames::rename(const std::string& from, const std::string& to) {
    platform::rename_file(from, to);
    if (!count()) return;
    forget_file_at(to);
    auto moved = known_.extract(from);
    if (moved.empty()) return;
    moved.key() = to;
    known_.insert(std::move(moved));
}

void FileNames::link(const std::string& path, const std::string& name) {
    platform::link_file(path, name);
    if (count()) forget_file_at(path);
}

void FileNames::remove(const std::string& path) {
    platform::remove_file(path);
    if (count()) forget_file_at(path);
}

bool FileNames::exchange(const std::string& one, const std::string& other) {
    if (!platform::exchange_files(one, other)) return false;
    exchanges_ = true;
    if (!count()) return true;
    // What was under the other name may not be what was known of it: the peer counts a change after it.
    forget_file_at(other);
    auto moved = known_.extract(one);
    if (moved.empty()) return true;
    moved.key() = other;
    known_.insert(std::move(moved));
    return true;
}

void FileNames::changed() {
    if (mailbox_) mailbox_->tell_names_changed();
}

}  // namespace tr::channel
