#include <poll.h>
#include <sys/syscall.h>

#include <cerrno>
#include <system_error>

#include "platform/unique_fd.h"
#include "platform/watched_process.h"

namespace tr::platform {
namespace {

UniqueFd open_process(pid_t pid) {
#ifdef SYS_pidfd_open
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
#else
    static_cast<void>(pid);
    errno = ENOSYS;
    return {};
#endif
}

class AdoptedProcess final : public WatchedProcess {
  public:
    AdoptedProcess(std::int64_t pid, UniqueFd handle, std::function<ExitStatus()> reap, std::function<void()> on_exit)
        : WatchedProcess(std::move(on_exit)), handle_(std::move(handle)) {
        pid_ = static_cast<pid_t>(pid);
        watch([this, reap = std::move(reap)] {
            pollfd ended{handle_.get(), POLLIN, 0};
            while (::poll(&ended, 1, -1) != 1) {
            }
            finish(reap);
        });
    }
    ~AdoptedProcess() override { end(); }

  private:
    UniqueFd handle_;
};

}  // namespace

bool Process::can_adopt() {
    return static_cast<bool>(open_process(::getpid()));
}

std::unique_ptr<Process> Process::adopt(std::int64_t pid, std::function<ExitStatus()> reap,
                                        std::function<void()> on_exit) {
    try {
        UniqueFd handle = open_process(static_cast<pid_t>(pid));
        if (!handle) throw std::system_error(errno, std::generic_category(), "watching a forked process");
        return std::make_unique<AdoptedProcess>(pid, std::move(handle), reap, std::move(on_exit));
    } catch (...) {
        ::kill(static_cast<pid_t>(-pid), SIGKILL);  // one that nobody watches might work on beside another
        reap();
        throw;
    }
}

}  // namespace tr::platform
