#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/records.h"

namespace tr::worker {

/// A session of this user's that some living program runs.
struct Found {
    std::string directory;
    protocol::SessionRecord record;
    std::optional<protocol::Hello> hello;  ///< of its worker; nothing when it is not ready, or of an older kind
};

/// Those in a workspace whose program lives, by id. What cannot be read is passed over.
/// @param workspace as in SessionOptions
std::vector<Found> find_sessions(const std::string& workspace);
/// The one of this id; nothing when there is none.
std::optional<Found> find_session(const std::string& workspace, const std::string& session_id);
/// The directory is a session's that is between two workers, so that nothing is known of the next one yet.
bool is_about_to_start(const std::string& directory);

}  // namespace tr::worker
