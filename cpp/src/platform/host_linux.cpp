#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "platform/host.h"

namespace tr::platform {
namespace {

/// Of /proc/<pid>/stat, from 3 on; empty when there is no such process.
std::string stat_field(std::int64_t pid, int wanted) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(file, line)) return {};
    // The second field, the name, may hold blanks and brackets; fields are counted from the last bracket on.
    const auto name_end = line.rfind(')');
    if (name_end == std::string::npos) return {};
    std::istringstream fields(line.substr(name_end + 1));
    std::string field;
    for (int number = 3; number <= wanted; ++number)
        if (!(fields >> field)) return {};
    return field;
}

}  // namespace

std::int64_t thread_id() {
    return ::syscall(SYS_gettid);
}

std::string process_start_time(std::int64_t pid) {
    constexpr int kStartTime = 22;
    return stat_field(pid, kStartTime);
}

bool process_lives(std::int64_t pid) {
    if (pid <= 0 || (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH)) return false;
    // A process whose first thread has ended and others run is in that state too.
    constexpr int kState = 3;
    constexpr int kThreads = 20;
    return stat_field(pid, kState) != "Z" || stat_field(pid, kThreads) != "1";
}

bool process_is_stopped(std::int64_t pid) {
    constexpr int kState = 3;
    const std::string state = stat_field(pid, kState);
    return state == "T" || state == "t";
}

std::string shared_memory_directory() {
    struct stat info{};
    const bool usable =
        ::stat("/dev/shm", &info) == 0 && S_ISDIR(info.st_mode) && ::access("/dev/shm", W_OK | X_OK) == 0;
    return usable ? "/dev/shm" : "";
}

std::string file_system_name(const std::string& path) {
    struct statfs info{};
    if (::statfs(path.c_str(), &info) != 0) return "unknown";
    constexpr std::array<std::pair<unsigned long, const char*>, 9> kNames{{
        {TMPFS_MAGIC, "tmpfs"},
        {EXT4_SUPER_MAGIC, "ext4"},
        {XFS_SUPER_MAGIC, "xfs"},
        {BTRFS_SUPER_MAGIC, "btrfs"},
        {NFS_SUPER_MAGIC, "nfs"},
        {OVERLAYFS_SUPER_MAGIC, "overlay"},
        {RAMFS_MAGIC, "ramfs"},
        {0x65735546, "fuse"},
        {0x01021997, "9p"},
    }};
    for (const auto& [magic, name] : kNames)
        if (static_cast<unsigned long>(info.f_type) == magic) return name;
    return "unknown";
}

}  // namespace tr::platform
