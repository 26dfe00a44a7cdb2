#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "carrier/directory_mark.h"
#include "platform/file.h"

namespace tr {

/// An id that no other session of this machine has.
std::string unique_session_id();

/// The directory of one session and the lock that makes it ours; see docs/protocol.md, "Session directory".
class SessionDirectory {
  public:
    /// Chooses the workspace, clears away what dead sessions left in it, and creates the directory.
    /// @param session_id a tag
    /// @throws RetryError (E4001) when a live session has this id, InputError when the workspace cannot be used
    SessionDirectory(const std::string& workspace_option, const std::string& session_id);
    /// Removes the directory, unless this is a fork of the process that made it.
    ~SessionDirectory();
    SessionDirectory(const SessionDirectory&) = delete;
    SessionDirectory& operator=(const SessionDirectory&) = delete;

    const std::string& path() const { return path_; }
    /// Why this workspace, for the log.
    const std::string& reason() const { return reason_; }
    /// It has not been removed, nor been replaced by another session's.
    bool is_there() const { return mark_.is_there(); }
    const carrier::DirectoryMark& mark() const { return mark_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }
    /// Makes a directory beside this one, for what is to stay when the session ends.
    /// @returns its path
    std::string make_kept() const;

  private:
    void claim(const std::string& parent);

    std::string session_id_;
    std::string path_;
    std::string reason_;
    platform::FileLock lock_;
    carrier::DirectoryMark mark_;
    std::int64_t owner_pid_;
};

}  // namespace tr
