#include <poll.h>
#include <sys/syscall.h>

#include "platform/unique_fd.h"
#include "platform/watched_process.h"

namespace tr::platform {
namespace {

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

std::unique_ptr<Process> Process::adopt(std::int64_t pid, std::function<ExitStatus()> reap,
                                        std::function<void()> on_exit) {
#ifdef SYS_pidfd_open
    UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0)));
    if (handle) return std::make_unique<AdoptedProcess>(pid, std::move(handle), std::move(reap), std::move(on_exit));
#endif
    return nullptr;
}

}  // namespace tr::platform
