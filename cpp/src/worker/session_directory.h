#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "channel/directory.h"
#include "worker/launch_plan.h"

namespace tr {

/// What the name of a session's directory begins with.
inline constexpr const char* kSessionPrefix = "tr_session_";

/// The workspace and why it was chosen.
/// @param option SessionOptions::workspace
Choice choose_workspace(const std::string& option);

/// Where the directories of sessions are in it.
std::string sessions_folder(const Choice& workspace);
/// Where the directory of a session is, or will be.
std::string session_path(const std::string& workspace_option, const std::string& session_id);

/// An id that no other session of this machine has.
std::string unique_session_id();

/// The directory of one session and the lock that makes it ours; see docs/protocol.md, "Session directory".
class SessionDirectory final : public channel::Directory {
  public:
    /// Chooses the workspace, clears away what dead sessions left in it, and creates the directory.
    /// @param session_id a tag
    /// @throws RetryError (E4001) when a live session has this id, InputError when the workspace cannot be used
    SessionDirectory(const std::string& workspace_option, const std::string& session_id);
    /// Removes the directory, unless this is a fork of the process that made it.
    ~SessionDirectory() override;

    /// Why this workspace, for the log.
    const std::string& reason() const { return reason_; }

  private:
    void claim(const std::string& parent);

    std::string session_id_;
    std::string reason_;
    std::int64_t owner_pid_;
};

/// Makes a directory beside that of a session, for what is to stay when the session ends.
/// @returns its path
std::string make_kept(const std::string& session_directory, const std::string& session_id);

}  // namespace tr
