#include "platform/descriptors.h"

#include <fcntl.h>
#include <sys/resource.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace tr::platform {
namespace {

void close_on_exec(int descriptor) {
    const int flags = ::fcntl(descriptor, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) ::fcntl(descriptor, F_SETFD, flags | FD_CLOEXEC);
}

#ifdef __linux__
/// An entry of a directory as the kernel gives it (getdents64(2)).
struct Entry {
    unsigned long long inode;
    long long offset;
    unsigned short length;
    unsigned char type;
    char name[1];
};

/// A number; -1 for what is none.
int number_of(const char* text) {
    int number = 0;
    if (*text == '\0') return -1;
    for (; *text != '\0'; ++text) {
        if (*text < '0' || *text > '9') return -1;
        number = 10 * number + (*text - '0');
    }
    return number;
}

/// Those that are open, by /proc; false where it cannot be read.
bool close_listed_on_exec_from(int first) {
    const int folder = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return false;
    alignas(Entry) char entries[2048];
    long got = 0;
    while ((got = ::syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0) {
        for (long at = 0; at < got;) {
            Entry head{};
            std::memcpy(&head, entries + at, offsetof(Entry, name));
            const int descriptor = number_of(entries + at + offsetof(Entry, name));
            if (descriptor >= first) close_on_exec(descriptor);
            at += head.length;
        }
    }
    ::close(folder);
    return got == 0;
}
#endif

}  // namespace

void close_each_on_exec_from(int first) {
#ifdef __linux__
    if (close_listed_on_exec_from(first)) return;
#endif
    constexpr rlim_t kMost = 1 << 16;  // where the limit is none at all
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > kMost) limit.rlim_cur = kMost;
    for (int descriptor = first; descriptor < static_cast<int>(limit.rlim_cur); ++descriptor) close_on_exec(descriptor);
}

void close_on_exec_from(int first) {
#if defined(__linux__) && defined(SYS_close_range)
    constexpr unsigned kCloseOnExec = 1U << 2;  // CLOSE_RANGE_CLOEXEC
    if (::syscall(SYS_close_range, static_cast<unsigned>(first), ~0U, kCloseOnExec) == 0) return;
#endif
    close_each_on_exec_from(first);
}

}  // namespace tr::platform
