#pragma once

#include <string>

#include "channel/directory_mark.h"
#include "platform/file.h"
#include "protocol/names.h"

namespace tr::channel {

/// The directory of a channel, which this process has made and holds: removed with the object.
class Directory {
  public:
    virtual ~Directory() = default;
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;

    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }
    /// It has not been removed, nor been replaced by another's.
    bool is_there() const { return mark_.is_there(); }
    const DirectoryMark& mark() const { return mark_; }

  protected:
    Directory() = default;
    /// From here on it is told from another that has its place.
    void know_again() {
        mark_.lock_file = file(protocol::kLockFile);
        if (const auto found = platform::identify(mark_.lock_file)) mark_.inode = found->inode;
    }

    std::string path_;
    platform::FileLock lock_;
    DirectoryMark mark_;
};

/// A further channel of a worker: a directory in `channels/` of its session's. It appears whole: what is to be in it is
/// put into `unfinished()`, then appear() gives it its name.
class FurtherDirectory final : public Directory {
  public:
    /// @param session_directory of the worker
    /// @param name a tag, which nobody else uses
    FurtherDirectory(const std::string& session_directory, const std::string& name);
    ~FurtherDirectory() override;

    const std::string& unfinished() const { return hidden_; }
    void appear();

  private:
    std::string hidden_;
    std::int64_t owner_pid_;  ///< a fork of it leaves the directory alone
};

}  // namespace tr::channel
