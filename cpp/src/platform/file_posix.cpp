#include "platform/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <system_error>

#include "platform/fork.h"
#include "platform/mapping_guard.h"
#include "platform/reserve.h"
#include "platform/sequence_point.h"
#include "platform/unique_fd.h"

namespace tr::platform {
namespace {

[[noreturn]] void fail(int error, const std::string& action, const std::string& path) {
    throw std::system_error(error, std::generic_category(), action + " '" + path + "'");
}

/// A new file beside `path`; none, with errno set, when it cannot be made. Its name may be taken, as a dead process of
/// the same number may have left some behind: then the next one is used.
UniqueFd make_temporary(const std::string& path, mode_t mode, std::string& name) {
    static std::atomic<std::uint64_t> counter{0};
    const std::string prefix = path.substr(0, path.rfind('/') + 1) + ".tmp-" + std::to_string(::getpid()) + "-";
    int file = -1;
    do {
        name = prefix + std::to_string(counter.fetch_add(1, std::memory_order_relaxed));
        file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    } while (file < 0 && errno == EEXIST);
    return UniqueFd(file);
}

int write_all(int fd, std::string_view head, std::string_view body) {
    std::array<iovec, 2> parts{
        {{const_cast<char*>(head.data()), head.size()}, {const_cast<char*>(body.data()), body.size()}}};
    std::size_t first = head.empty() ? 1 : 0;
    while (first < parts.size() && parts[first].iov_len > 0) {
        const ssize_t written = ::writev(fd, &parts[first], static_cast<int>(parts.size() - first));
        if (written < 0) {
            if (errno == EINTR) continue;
            return errno;
        }
        auto left = static_cast<std::size_t>(written);
        while (first < parts.size() && left >= parts[first].iov_len) left -= parts[first++].iov_len;
        if (left > 0) {
            parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + left;
            parts[first].iov_len -= left;
        }
    }
    return 0;
}

/// An umask that takes the owner's rights away as well was seen, so modes are to be set after a file is made.
std::atomic<bool> odd_umask{false};

void fix_mode(int file) {
    if (odd_umask.load(std::memory_order_relaxed)) ::fchmod(file, 0600);
}

/// The same where a file is made rarely, such as the first one of a session, so that it can be looked at.
void learn_mode(int file) {
    struct stat info{};
    if (::fstat(file, &info) != 0 || info.st_uid != ::geteuid() || (info.st_mode & 0600) == 0600) return;
    odd_umask = true;
    fix_mode(file);
}

FileIdentity identity_of(const struct stat& info) {
    return {static_cast<std::uint64_t>(info.st_ino), static_cast<std::uint64_t>(info.st_size),
            static_cast<std::uint64_t>(info.st_nlink)};
}

/// An open regular file and what it is; an empty descriptor when there is no such file.
UniqueFd open_regular(const std::string& path, FileIdentity& identity) {
    // O_NONBLOCK: a FIFO under this name must not make the open wait for a writer.
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file) {
        if (errno == ENOENT) return file;
        if (errno == ELOOP) fail(EINVAL, "refusing to follow the symbolic link", path);
        fail(errno, "opening", path);
    }
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) fail(errno, "examining", path);
    if (!S_ISREG(info.st_mode)) fail(EINVAL, "refusing what is not a regular file:", path);
    identity = identity_of(info);
    return file;
}

SharedFile share(int file, const std::string& path) {
    struct stat info{};
    if (::fstat(file, &info) != 0) fail(errno, "examining", path);
    if (!S_ISREG(info.st_mode)) fail(EINVAL, "refusing what is not a regular file:", path);
    SharedFile shared;
    shared.identity = identity_of(info);
    const auto length = static_cast<std::size_t>(info.st_size);
    if (length == 0) return shared;
    void* memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) fail(errno, "mapping", path);
    shared.memory = own_mapping(memory, length, path);
    return shared;
}

UniqueFd open_lock(const std::string& path) {
    UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) fail(errno, "opening the lock", path);
    learn_mode(file.get());
    return file;
}

// One that belongs to the open file and not to the process: a record lock does not exclude the process itself, in which
// another copy of this library may want it, and goes when anybody in the process closes the file.
/// @param type F_WRLCK or F_UNLCK
/// @returns whether it was done; errno says why not
bool set_lock(int file, short type, bool wait) {
    struct flock lock{};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
#ifdef F_OFD_SETLK
    if (::fcntl(file, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock) == 0) return true;
    if (errno != EINVAL) return false;  // else the system has none
#endif
    return ::fcntl(file, wait ? F_SETLKW : F_SETLK, &lock) == 0;
}

}  // namespace

bool is_out_of_space(const std::system_error& error) {
    return error.code().value() == ENOSPC || error.code().value() == EDQUOT;
}

void write_atomic(const std::string& path, std::string_view head, std::string_view body, Readers readers) {
    if (over_file_limit(head.size() + body.size())) fail(EFBIG, "writing", path);
    std::string temporary;
    UniqueFd file = make_temporary(path, readers == Readers::owner ? 0600 : 0666, temporary);
    if (!file) fail(errno, "creating a temporary file for", path);
    if (readers == Readers::owner) fix_mode(file.get());
    TR_SEQUENCE_POINT("created", path);
    int error = write_all(file.get(), head, body);
    if (::close(file.release()) != 0 && error == 0) error = errno;
    TR_SEQUENCE_POINT("written", path);
    if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
    if (error != 0) {
        ::unlink(temporary.c_str());
        fail(error, "writing", path);
    }
    TR_SEQUENCE_POINT("named", path);
}

std::optional<std::string> read_file(const std::string& path, std::size_t limit) {
    FileIdentity found;
    const UniqueFd file = open_regular(path, found);
    if (!file) return std::nullopt;
    if (found.links > 1) fail(EINVAL, "refusing a file with other names (hard links), which may lie elsewhere:", path);
    if (found.size > limit) fail(EFBIG, "reading", path);
    std::string text(static_cast<std::size_t>(found.size), '\0');
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t count = ::read(file.get(), text.data() + done, text.size() - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail(errno, "reading", path);
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    text.resize(done);
    return text;
}

bool remove_file(const std::string& path) {
    if (::unlink(path.c_str()) == 0) {
        TR_SEQUENCE_POINT("removed", path);
        return true;
    }
    if (errno == ENOENT) return false;
    fail(errno, "removing", path);
}

void remove_anything(const std::string& path) {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return;
    const int error = errno;
    remove_tree(path);
    if (file_exists(path)) fail(error, "removing", path);
}

bool file_exists(const std::string& path) {
    struct stat info{};
    return ::lstat(path.c_str(), &info) == 0;
}

std::string read_tail(const std::string& path, std::size_t limit, std::uint64_t from) {
    try {
        FileIdentity found;
        const UniqueFd file = open_regular(path, found);
        if (!file) return {};
        const std::uint64_t size = found.size;
        if (from > size) from = 0;  // it was shortened
        const std::uint64_t start = size - from > limit ? size - limit : from;
        std::string text(static_cast<std::size_t>(size - start), '\0');
        const ssize_t count = ::pread(file.get(), text.data(), text.size(), static_cast<off_t>(start));
        text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        if (start > from) text.erase(0, text.find('\n') + 1);  // a first line cut in the middle helps nobody
        return text;
    } catch (const std::system_error&) {
        return {};
    }
}

std::optional<MappedFile> map_private(const std::string& path) {
    FileIdentity found;
    const UniqueFd file = open_regular(path, found);
    if (!file) return std::nullopt;
    MappedFile mapped;
    mapped.size = found.size;
    if (found.size == 0) return mapped;
    const auto length = static_cast<std::size_t>(found.size);
    void* memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.get(), 0);
    if (memory == MAP_FAILED) fail(errno, "mapping", path);
    mapped.memory = own_mapping(memory, length, path);
    return mapped;
}

std::optional<FileIdentity> identify(const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
    return identity_of(info);
}

SharedFile create_shared(const std::string& path, std::uint64_t size) {
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) fail(errno, "creating", path);
    learn_mode(file.get());
    TR_SEQUENCE_POINT("created", path);
    try {
        if (const int error = reserve(file.get(), size); error != 0)
            fail(error, "reserving " + std::to_string(size) + " bytes for", path);
        return share(file.get(), path);
    } catch (...) {
        ::unlink(path.c_str());
        throw;
    }
}

SharedFile map_shared(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file) {
        if (errno == ENOENT) return {};
        fail(errno, "opening", path);
    }
    return share(file.get(), path);
}

void discard([[maybe_unused]] const SharedFile& file) noexcept {
#ifdef MADV_REMOVE
    ::madvise(file.memory.get(), static_cast<std::size_t>(file.identity.size), MADV_REMOVE);
#endif
}

void link_file(const std::string& path, const std::string& name) {
    if (::link(path.c_str(), name.c_str()) != 0) fail(errno, "linking", path);
    TR_SEQUENCE_POINT("linked", path);
}

void rename_file(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) fail(errno, "renaming", from);
    TR_SEQUENCE_POINT("named", to);
}

bool exchange_files([[maybe_unused]] const std::string& one, [[maybe_unused]] const std::string& other) {
#ifdef RENAME_EXCHANGE
    if (::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) != 0) return false;
    TR_SEQUENCE_POINT("named", other);
    return true;
#else
    return false;
#endif
}

FileLock FileLock::try_acquire(const std::string& path) {
    UniqueFd file = open_lock(path);
    if (!set_lock(file.get(), F_WRLCK, false)) {
        if (errno == EACCES || errno == EAGAIN) return {};
        fail(errno, "locking", path);
    }
    TR_SEQUENCE_POINT("locked", path);
    return FileLock(file.release());
}

FileLock FileLock::acquire(const std::string& path) {
    UniqueFd file = open_lock(path);
    while (!set_lock(file.get(), F_WRLCK, true))
        if (errno != EINTR) fail(errno, "locking", path);
    TR_SEQUENCE_POINT("locked", path);
    return FileLock(file.release());
}

// A fork would hold it as long as it lives.
FileLock::FileLock(std::intptr_t handle) : handle_(handle), generation_(fork_generation()) {
    close_in_forks(static_cast<int>(handle));
}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
    if (this != &other) {
        release();
        handle_ = other.handle_;
        generation_ = other.generation_;
        other.handle_ = kNone;
    }
    return *this;
}

void FileLock::release() noexcept {
    if (handle_ != kNone && generation_ == fork_generation()) {
        // By name, as a child that is about to run a program has the open file as well, and with it the lock.
        set_lock(static_cast<int>(handle_), F_UNLCK, false);
        keep_in_forks(static_cast<int>(handle_));
        ::close(static_cast<int>(handle_));
    }
    handle_ = kNone;
}

}  // namespace tr::platform
