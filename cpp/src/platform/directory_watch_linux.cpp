#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "platform/directory_watch.h"
#include "platform/sequence_point.h"
#include "platform/unique_fd.h"

namespace tr::platform {
namespace {

constexpr const char* kAddWatch = "inotify_add_watch";

class InotifyWatch final : public DirectoryWatch {
  public:
    InotifyWatch(UniqueFd inotify, UniqueFd bell, std::string directory)
        : inotify_(std::move(inotify)), bell_(std::move(bell)), directory_(std::move(directory)) {}

    void wait(Deadline deadline) override {
        std::array<pollfd, 2> fds{{{inotify_.get(), POLLIN, 0}, {bell_.get(), POLLIN, 0}}};
        constexpr std::int64_t kDay = 24LL * 3600 * 1000;
        for (;;) {
            if (::poll(fds.data(), fds.size(), static_cast<int>(deadline.remaining_ms(kDay))) <= 0) return;
            std::uint64_t count = 0;
            if (fds[1].revents != 0 && ::read(bell_.get(), &count, sizeof count) < 0) return;
            if (fds[1].revents != 0) return;
            if (!read_events()) continue;
            TR_RINGS("inotify") {
                return;
            }
        }
    }

    void only(const std::string& name) override {
        // The same watch with another mask: what is deleted does not wake this process any more either.
        if (::inotify_add_watch(inotify_.get(), directory_.c_str(), IN_MOVED_TO | IN_ONLYDIR) >= 0) only_ = name;
    }

    void wake() override {
        const std::uint64_t one = 1;
        // Fails only when the counter is full, and then the wait ends anyway.
        [[maybe_unused]] const auto written = ::write(bell_.get(), &one, sizeof one);
    }

    bool has_event(int timeout_ms) const {
        pollfd fd{inotify_.get(), POLLIN, 0};
        return ::poll(&fd, 1, timeout_ms) == 1;
    }

  private:
    /// Whether anything of interest is among the events. One read may leave some behind; they end the next wait at
    /// once.
    bool read_events() {
        alignas(inotify_event) std::array<char, 4096> buffer;
        const ssize_t length = ::read(inotify_.get(), buffer.data(), buffer.size());
        if (length <= 0 || only_.empty()) return true;
        for (std::size_t at = 0; at < static_cast<std::size_t>(length);) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
            // An event without a name tells of the directory, or of events that were lost.
            if (event->len == 0 || only_ == event->name) return true;
            at += sizeof *event + event->len;
        }
        return false;
    }

    UniqueFd inotify_;
    UniqueFd bell_;
    std::string directory_;
    std::string only_;
};

}  // namespace

std::unique_ptr<DirectoryWatch> DirectoryWatch::open(const std::string& directory, std::string& reason) {
    const auto refuse = [&reason](const char* step) {
        const char* seen = std::strerror(errno);
        if (errno == EMFILE)
            seen =
                "the limit of descriptors (ulimit -n) or of inotify instances (fs.inotify.max_user_instances) is "
                "reached";
        else if (errno == ENOSPC && std::strcmp(step, kAddWatch) == 0)
            seen = "the limit of watches (fs.inotify.max_user_watches) is reached";
        reason = std::string(step) + ": " + seen;
        return nullptr;
    };
    UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify) return refuse("inotify_init1");
    if (::inotify_add_watch(inotify.get(), directory.c_str(), IN_MOVED_TO | IN_DELETE | IN_ONLYDIR) < 0)
        return refuse(kAddWatch);
    UniqueFd bell(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!bell) return refuse("eventfd");
    auto watch = std::make_unique<InotifyWatch>(std::move(inotify), std::move(bell), directory);

    const std::string probe = directory + "/.probe-" + std::to_string(::getpid());
    UniqueFd file(::open(probe.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return refuse("creating a file to probe inotify with");
    ::unlink(probe.c_str());
    // The kernel queues the event within the unlink; the limit is for mounts that deliver late.
    if (!watch->has_event(100)) {
        reason = "inotify accepts a watch on this file system but stays silent";
        return nullptr;
    }
    return watch;
}

}  // namespace tr::platform
