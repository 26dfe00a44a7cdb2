#include "platform/line_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "platform/unique_fd.h"

namespace tr::platform {
namespace {

#ifdef MSG_NOSIGNAL
constexpr int kNoSignal = MSG_NOSIGNAL;
#else
constexpr int kNoSignal = 0;
#endif

// At once where that can be done: a child that another thread starts meanwhile must not inherit it.
#ifdef SOCK_CLOEXEC
constexpr int kSocketType = SOCK_STREAM | SOCK_CLOEXEC;
#else
constexpr int kSocketType = SOCK_STREAM;
#endif

class SocketLines final : public LineSocket {
  public:
    SocketLines(int own, int child) : own_(own), child_(child) {
        for (const int fd : {own, child}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }

    int child_end() const override { return child_.get(); }
    void close_child_end() override { child_.reset(); }

    void send_line(const std::string& line) override {
        const std::string text = line + "\n";
        std::size_t done = 0;
        while (done < text.size()) {
            const ssize_t count = ::send(own_.get(), text.data() + done, text.size() - done, kNoSignal);
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) throw std::system_error(errno, std::generic_category(), "writing to a child process");
            done += static_cast<std::size_t>(count);
        }
    }

    std::optional<std::string> receive_line(Deadline deadline) override {
        for (;;) {
            if (const auto end = pending_.find('\n'); end != std::string::npos) {
                std::string line = pending_.substr(0, end);
                pending_.erase(0, end + 1);
                return line;
            }
            pollfd ready{own_.get(), POLLIN, 0};
            constexpr std::int64_t kDay = 24LL * 3600 * 1000;
            const int found = ::poll(&ready, 1, static_cast<int>(deadline.remaining_ms(kDay)));
            if (found == 0 && deadline.passed()) return std::nullopt;
            if (found <= 0) continue;
            std::array<char, 4096> buffer{};
            const ssize_t count = ::recv(own_.get(), buffer.data(), buffer.size(), 0);
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) return std::nullopt;
            pending_.append(buffer.data(), static_cast<std::size_t>(count));
        }
    }

  private:
    UniqueFd own_;
    UniqueFd child_;
    std::string pending_;
};

}  // namespace

std::unique_ptr<LineSocket> LineSocket::open() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, kSocketType, 0, ends.data()) != 0) return nullptr;
    return std::make_unique<SocketLines>(ends[0], ends[1]);
}

}  // namespace tr::platform
