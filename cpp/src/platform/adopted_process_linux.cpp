#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <array>
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

/// One that is somebody else's to signal and to reap.
class ObservedProcess final : public Process {
  public:
    ObservedProcess(std::int64_t pid, UniqueFd handle, std::function<void()> on_exit)
        : pid_(pid), handle_(std::move(handle)), stop_(::eventfd(0, EFD_CLOEXEC)), on_exit_(std::move(on_exit)) {
        if (!stop_) throw std::system_error(errno, std::generic_category(), "eventfd");
        const SignalsBlocked blocked;
        watcher_ = std::thread([this] { watch(); });
    }
    ~ObservedProcess() override {
        if (owner_ != ::getpid()) {
            watcher_.detach();  // in a fork of the program, which does not have the thread
            return;
        }
        kill();
        watcher_.join();
    }

    std::int64_t pid() const override { return pid_; }
    bool alive() const override { return !ended_.load(std::memory_order_acquire); }
    std::optional<ExitStatus> status() const override {
        if (alive()) return std::nullopt;
        ExitStatus unknown;
        unknown.known = false;
        unknown.foreign = true;
        return unknown;
    }
    bool wait(Deadline deadline) override {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto ended = [this] { return !alive(); };
        if (!deadline.is_never()) return changed_.wait_until(lock, deadline.when(), ended);
        changed_.wait(lock, ended);
        return true;
    }
    void terminate() override { kill(); }
    void kill() override {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(stop_.get(), &one, sizeof one);
        wait(Deadline::never());
    }

  private:
    void watch() {
        std::array<pollfd, 2> ends{{{handle_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
        while (::poll(ends.data(), ends.size(), -1) < 1) {
        }
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            ended_.store(true, std::memory_order_release);
            changed_.notify_all();
        }
        on_exit_();
    }

    const std::int64_t pid_;
    const pid_t owner_ = ::getpid();
    UniqueFd handle_;
    UniqueFd stop_;
    std::function<void()> on_exit_;
    std::atomic<bool> ended_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::thread watcher_;
};

}  // namespace

std::unique_ptr<Process> Process::observe(std::int64_t pid, std::function<void()> on_exit) {
    UniqueFd handle = open_process(static_cast<pid_t>(pid));
    if (!handle) throw std::system_error(errno, std::generic_category(), "watching process " + std::to_string(pid));
    return std::make_unique<ObservedProcess>(pid, std::move(handle), std::move(on_exit));
}

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
