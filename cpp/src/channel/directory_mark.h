#pragma once

#include <cstdint>
#include <string>
#include <system_error>

#include "platform/file.h"

namespace tr::channel {

/// Tells a session's directory from one that another session has put in its place since.
struct DirectoryMark {
    std::string lock_file;
    std::uint64_t inode = 0;  ///< of the lock file, which the session holds open

    bool is_there() const {
        const auto found = platform::identify(lock_file);
        return found && found->inode == inode;
    }
    /// To be called before a file is made or named there.
    /// @throws std::system_error (ENOENT) when the directory is not there any more
    void require() const {
        if (!is_there())
            throw std::system_error(std::make_error_code(std::errc::no_such_file_or_directory),
                                    "looking for '" + lock_file + "' of this session");
    }
};

}  // namespace tr::channel
