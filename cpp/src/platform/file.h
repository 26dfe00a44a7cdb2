#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace tr::platform {

/// Files, above all those of a session directory. Whatever a peer may have put there is opened without following links
/// and must be a regular file. Paths are UTF-8. Failures are std::system_error with the path in its text.

/// The disk, or the user's share of it, is full.
bool is_out_of_space(const std::system_error& error);

/// Who may read a new file.
enum class Readers {
    owner,  ///< this user alone, whatever the umask (mode 0600)
    umask,  ///< whom the umask lets
};
/// Publishes a file: it appears under its name whole or not at all, as it is written under the name `.tmp-<pid>-<n>` in
/// the same directory, then renamed. `head` and `body` stand one after the other in it. Any thread may.
void write_atomic(const std::string& path, std::string_view head, std::string_view body = {},
                  Readers readers = Readers::owner);
/// The whole file; nothing when there is none.
/// @throws std::system_error also when it is larger than `limit` (EFBIG) or not a regular file (EINVAL)
std::optional<std::string> read_file(const std::string& path, std::size_t limit);
/// @returns false when there was none
bool remove_file(const std::string& path);
/// Also a directory, with what is in it: a peer may have put one where a file belongs.
void remove_anything(const std::string& path);
bool file_exists(const std::string& path);
/// The last lines of a text file, `limit` bytes at most, for error messages; empty when it cannot be read.
/// @param from what lies before this byte is left out
std::string read_tail(const std::string& path, std::size_t limit, std::uint64_t from = 0);

/// A file as private memory of this process: changes stay here, and what happens to its name does not matter.
struct MappedFile {
    std::shared_ptr<void> memory;  ///< the whole file; unmapped with its last owner
    std::uint64_t size = 0;
};
/// @returns nothing when there is no such file; one of size 0 has no memory
std::optional<MappedFile> map_private(const std::string& path);

/// What names a file for good, and what can be said of it without opening it.
struct FileIdentity {
    std::uint64_t inode = 0;  ///< stays taken for as long as the file is mapped or has a name
    std::uint64_t size = 0;
    std::uint64_t links = 0;  ///< how many names it has
};
/// @returns nothing when there is no such file, or it is no regular file
std::optional<FileIdentity> identify(const std::string& path);

/// A file as memory that every process which maps it shares; unmapped with its last owner.
struct SharedFile {
    std::shared_ptr<void> memory;
    FileIdentity identity;
};
/// Makes a new file (mode 0600) of this size, its space reserved, so that writing to the memory cannot fail.
SharedFile create_shared(const std::string& path, std::uint64_t size);
/// Gives the space of a file back now, though others still map it; nobody may read or write it any more.
void discard(const SharedFile& file) noexcept;
/// @returns no memory when there is no such file, or it is empty
SharedFile map_shared(const std::string& path);
/// Gives a file a second name.
void link_file(const std::string& path, const std::string& name);
void rename_file(const std::string& from, const std::string& to);
/// Each of two files gets the other's name, in one step.
/// @returns false where this cannot be done, or one of them is not there; nothing was done then
bool exchange_files(const std::string& one, const std::string& other);

/// Creates a directory of mode 0700, whatever the umask; nothing when it is there already.
/// @returns whether it was made now
bool make_private_directory(const std::string& path);
/// Why `path` is not a directory that only this user may change; empty when it is one.
std::string why_not_private(const std::string& path);
/// Who else than this user, root and the owner of `ours` could have put a file where it is, as one of the last `depth`
/// parts of its path can be changed by others; empty when nobody could, and where it cannot be told.
std::string why_not_trusted(const std::string& path, int depth, const std::string& ours);
/// Removes a directory and what is in it; what cannot be removed stays.
void remove_tree(const std::string& path) noexcept;

/// An exclusive lock on a file (made with mode 0600), freed with the object or this process, and not passed on by fork.
/// On Linux it excludes any other, also of another copy of this library in the same process; elsewhere it does not
/// exclude a second lock by the same process.
class FileLock {
  public:
    FileLock() = default;
    ~FileLock() { release(); }
    FileLock(FileLock&& other) noexcept : handle_(other.handle_), generation_(other.generation_) {
        other.handle_ = kNone;
    }
    FileLock& operator=(FileLock&& other) noexcept;
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

    /// @returns an empty lock when another process holds it
    static FileLock try_acquire(const std::string& path);
    /// Waits until it is free; holders keep such a lock for a moment only.
    static FileLock acquire(const std::string& path);
    explicit operator bool() const { return handle_ != kNone; }
    void release() noexcept;

  private:
    static constexpr std::intptr_t kNone = -1;
    explicit FileLock(std::intptr_t handle);
    std::intptr_t handle_ = kNone;
    std::uint32_t generation_ = 0;  ///< of the process that holds it; fork_generation()
};

}  // namespace tr::platform
