#include "platform/ping.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "platform/unique_fd.h"

namespace tr::platform {
namespace {

int open_fifo(const std::string& path, int mode) {
    const int fd = ::open(path.c_str(), mode | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    struct stat info{};
    if (fd < 0 || (::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode))) return fd;
    ::close(fd);
    return -1;
}

}  // namespace

void make_ping(const std::string& directory) {
    for (const char* name : {"/ping", "/pong"}) {
        const std::string path = directory + name;
        if (::mkfifo(path.c_str(), 0600) == 0) ::chmod(path.c_str(), 0600);  // whatever the umask
    }
}

Ping ask_ping(const std::string& directory, std::uint64_t number, Deadline deadline,
              const std::function<bool()>& enough) {
    // Both ends of both, so that a peer that goes causes neither an end of file nor SIGPIPE.
    const UniqueFd answers(open_fifo(directory + "/pong", O_RDWR));
    const UniqueFd listener(open_fifo(directory + "/ping", O_WRONLY));  // fails when nobody has the other end
    const UniqueFd questions(open_fifo(directory + "/ping", O_RDWR));
    if (!answers || !listener || !questions) return Ping::unknown;
    if (::write(questions.get(), &number, sizeof number) < 0 && errno != EAGAIN) return Ping::unknown;
    // This number may come behind those that were asked with before, and given up.
    std::array<std::uint64_t, 512> found{};
    while (!deadline.passed() && !enough()) {
        pollfd wait{answers.get(), POLLIN, 0};
        if (::poll(&wait, 1, static_cast<int>(deadline.remaining_ms(10))) <= 0) continue;
        const ssize_t bytes = ::read(answers.get(), found.data(), sizeof found);
        for (std::size_t i = 0; bytes > 0 && i < static_cast<std::size_t>(bytes) / sizeof number; ++i)
            if (found[i] == number) return Ping::answered;
    }
    return Ping::silent;
}

}  // namespace tr::platform
