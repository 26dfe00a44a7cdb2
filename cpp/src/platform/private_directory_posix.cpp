#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "platform/file.h"
#include "platform/sequence_point.h"

namespace tr::platform {
namespace {

[[noreturn]] void fail(int error, const std::string& action, const std::string& path) {
    throw std::system_error(error, std::generic_category(), action + " '" + path + "'");
}

void remove_entries(int directory_fd) noexcept {
    DIR* directory = ::fdopendir(directory_fd);  // takes the descriptor over
    if (directory == nullptr) {
        ::close(directory_fd);
        return;
    }
    while (const dirent* entry = ::readdir(directory)) {
        if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
        if (::unlinkat(::dirfd(directory), entry->d_name, 0) == 0) continue;
        const int child = ::openat(::dirfd(directory), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (child < 0) continue;
        remove_entries(child);
        ::unlinkat(::dirfd(directory), entry->d_name, AT_REMOVEDIR);
    }
    ::closedir(directory);
}

}  // namespace

bool make_private_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0) {
        TR_SEQUENCE_POINT("created", path);
        // The umask may have taken bits away that the owner needs.
        if (::chmod(path.c_str(), 0700) != 0) fail(errno, "setting the mode of", path);
        return true;
    }
    if (errno != EEXIST) fail(errno, "creating the directory", path);
    return false;
}

std::string why_not_private(const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) return std::strerror(errno);
    if (S_ISLNK(info.st_mode)) return "it is a symbolic link";
    if (!S_ISDIR(info.st_mode)) return "it is not a directory";
    if (info.st_uid != ::geteuid())
        return "it belongs to user " + std::to_string(info.st_uid) + ", and this is user " +
               std::to_string(::geteuid());
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return "others may write to it";
    return {};
}

std::string why_not_trusted(const std::string& path, int depth, const std::string& ours) {
    struct stat info{};
    const uid_t owner = ::stat(ours.c_str(), &info) == 0 ? info.st_uid : ::geteuid();
    std::string part = path;
    for (int i = 0; i < depth; ++i, part.erase(part.rfind('/'))) {
        if (part.find('/') == std::string::npos || ::stat(part.c_str(), &info) != 0) return {};
        if (info.st_uid != 0 && info.st_uid != owner && info.st_uid != ::geteuid())
            return "'" + part + "' belongs to user " + std::to_string(info.st_uid);
        // A group of the owner's alone has its number. In a directory such as /tmp, others cannot rename what is there.
        const bool by_group = (info.st_mode & S_IWGRP) != 0 && info.st_gid != info.st_uid;
        if ((by_group || (info.st_mode & S_IWOTH) != 0) && (info.st_mode & S_ISVTX) == 0)
            return "others may write to '" + part + "'";
    }
    return {};
}

void remove_tree(const std::string& path) noexcept {
    const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0) return;
    remove_entries(directory);
    TR_SEQUENCE_POINT("emptied", path);
    ::rmdir(path.c_str());
}

}  // namespace tr::platform
