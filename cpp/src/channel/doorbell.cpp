#include "channel/doorbell.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "platform/directory_watch.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::channel {
namespace {

using platform::Deadline;

class NotifiedDoorbell final : public Doorbell {
  public:
    explicit NotifiedDoorbell(std::unique_ptr<platform::DirectoryWatch> watch) : watch_(std::move(watch)) {}
    const char* tier() const override { return "inotify"; }
    void wait(Deadline deadline) override { watch_->wait(deadline); }
    void wake() override { watch_->wake(); }
    void only(const std::string& name) override { watch_->only(name); }

  private:
    std::unique_ptr<platform::DirectoryWatch> watch_;
};

/// Looks every 32 ms, and half as often after every 8 looks in vain, down to once in 1024 ms.
class PollingDoorbell final : public Doorbell {
  public:
    const char* tier() const override { return "polling"; }

    void wait(Deadline deadline) override {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto next = Deadline::at(Deadline::Clock::now() + interval_).sooner(deadline);
        if (!changed_.wait_until(lock, next.when(), [this] { return woken_; }) && ++idle_waits_ % 8 == 0)
            interval_ = std::min(interval_ * 2, kLongest);
        woken_ = false;
    }

    void wake() override {
        const std::lock_guard<std::mutex> lock(mutex_);
        woken_ = true;
        changed_.notify_all();
    }

    void expect() override {
        const std::lock_guard<std::mutex> lock(mutex_);
        interval_ = kShortest;
        idle_waits_ = 0;
    }

  private:
    static constexpr std::chrono::milliseconds kShortest{32};
    static constexpr std::chrono::milliseconds kLongest{1024};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool woken_ = false;
    int idle_waits_ = 0;
    std::chrono::milliseconds interval_ = kShortest;
};

}  // namespace

std::unique_ptr<Doorbell> open_doorbell(WakeUp wake_up, const std::string& directory, std::string& fallback) {
    // Watchdog is the worker's tier; this side then takes the best it has for files.
    if (wake_up == WakeUp::polling) return std::make_unique<PollingDoorbell>();
    std::string reason;
    if (auto watch = platform::DirectoryWatch::open(directory, reason))
        return std::make_unique<NotifiedDoorbell>(std::move(watch));
    if (wake_up == WakeUp::inotify)
        throw InputError("wake-up tier 'inotify' was asked for and does not work in '" + directory + "': " + reason +
                         "; use WakeUp::automatic or WakeUp::polling, or another workspace");
    fallback = reason;
    return std::make_unique<PollingDoorbell>();
}

}  // namespace tr::channel
