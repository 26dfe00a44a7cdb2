#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "channel/mailbox.h"
#include "platform/file.h"

namespace tr::channel {

/// The names of a session's tensor files, which both sides change. Each counts its changes in the mailbox, so that the
/// file system is asked again only when the other side has made one. A worker without the mailbox counts nothing, so
/// there it is asked each time. Not thread-safe.
class FileNames {
  public:
    /// A worker starts that may use this mailbox.
    void attach(std::shared_ptr<Mailbox> mailbox);
    /// It does, and counts its changes.
    void share() { shared_ = true; }

    /// What lies under a path; nothing when there is no file.
    std::optional<platform::FileIdentity> identify(const std::string& path);
    /// Whether the file of this name is this one.
    bool names(const std::string& path, std::uint64_t inode);

    void rename(const std::string& from, const std::string& to);
    void link(const std::string& path, const std::string& name);
    void remove(const std::string& path);
    /// Each of two files gets the other's name.
    /// @returns false where the file system cannot do that; nothing was done then
    bool exchange(const std::string& one, const std::string& other);
    /// It has been done once, so it can be done again.
    bool exchanges() const { return exchanges_; }
    /// A name was changed in another way.
    void changed();

  private:
    bool count();
    void forget_file_at(const std::string& path);

    std::shared_ptr<Mailbox> mailbox_;
    bool shared_ = false;
    bool exchanges_ = false;
    std::uint64_t state_ = 0;  ///< as which `known_` was found
    std::unordered_map<std::string, platform::FileIdentity> known_;
};

}  // namespace tr::channel
