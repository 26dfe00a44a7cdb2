#include "platform/readable.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "platform/unique_fd.h"
#include "platform/watched_process.h"

namespace tr::platform {
namespace {

/// A pipe with a byte in it, or none.
class ReadablePipe final : public Readable {
  public:
    ReadablePipe(UniqueFd out, UniqueFd in) : out_(std::move(out)), in_(std::move(in)) {}
    int descriptor() const override { return out_.get(); }
    void set(bool readable) override {
        if (readable == readable_) return;
        char byte = 0;
        // It is empty, or holds the one byte, unless the program has read from it itself.
        const auto done = readable ? ::write(in_.get(), &byte, 1) : ::read(out_.get(), &byte, 1);
        if (done == 1 || errno == EAGAIN) readable_ = readable;
    }

  private:
    UniqueFd out_;
    UniqueFd in_;
    bool readable_ = false;
};

}  // namespace

std::unique_ptr<Readable> Readable::make() {
    int ends[2];
    if (::pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    UniqueFd out(ends[0]);
    UniqueFd in(ends[1]);
    for (const int end : ends) {
        ::fcntl(end, F_SETFD, FD_CLOEXEC);
        ::fcntl(end, F_SETFL, O_NONBLOCK);
    }
    return std::make_unique<ReadablePipe>(std::move(out), std::move(in));
}

std::thread quiet_thread(std::function<void()> body) {
    const SignalsBlocked blocked;
    return std::thread(std::move(body));
}

}  // namespace tr::platform
