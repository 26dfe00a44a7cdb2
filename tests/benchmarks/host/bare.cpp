// The floors: what the kernel itself takes, with as little around it as there can be.
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string_view>

#include "transport.h"
#include "worker_process.h"

namespace bench {
namespace {

/// Two counters in a mapped file, each the futex that one side sleeps on, and room for a short message each way.
class BareFutex final : public Transport {
  public:
    explicit BareFutex(const Arguments& arguments)
        : shared_(map(folder_.path() + "/mailbox")),
          worker_(arguments.python, arguments.workers + "/bare_futex.py",
                  {arguments.name, folder_.path() + "/mailbox"}) {}
    ~BareFutex() override { ::munmap(shared_, sizeof(Shared)); }

    /// Tensors: the copies that cannot be avoided, and a round trip; the worker does not look at them.
    void prepare(Operation operation, std::size_t bytes) override {
        Transport::prepare(operation, bytes);
        if (middle_.size() != source_.size() || operation == Operation::out)
            middle_.assign(source_.size(), kWorkersByte);
    }

    void run(Operation operation) override {
        const std::size_t size = source_.size();
        if (operation == Operation::echo || operation == Operation::in)
            std::memcpy(middle_.data(), source_.data(), size);
        round_trip();
        if (operation == Operation::echo || operation == Operation::out)
            std::memcpy(target_.data(), middle_.data(), size);
    }

    pid_t worker_pid() const override { return worker_.pid(); }

  private:
    /// workers/bare_futex.py and bare_futex_module.cpp know this layout.
    struct Line {
        alignas(64) std::atomic<std::uint32_t> count;
        std::uint32_t length;
        char text[120];
    };
    struct Shared {
        Line request;
        Line response;
    };
    static_assert(sizeof(Line) == 128);

    static Shared* map(const std::string& path) {
        const int file = checked(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), "open");
        checked(::ftruncate(file, sizeof(Shared)), "ftruncate");
        void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        ::close(file);
        if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
        return static_cast<Shared*>(memory);
    }

    void round_trip() {
        Line& request = shared_->request;
        Line& response = shared_->response;
        const std::uint32_t seen = response.count.load(std::memory_order_acquire);
        std::memcpy(request.text, kMessage.data(), kMessage.size());
        request.length = static_cast<std::uint32_t>(kMessage.size());
        request.count.fetch_add(1, std::memory_order_release);
        ::syscall(SYS_futex, &request.count, FUTEX_WAKE, 1, nullptr, nullptr, 0);
        while (response.count.load(std::memory_order_acquire) == seen)
            ::syscall(SYS_futex, &response.count, FUTEX_WAIT, seen, nullptr, nullptr, 0);
        if (response.length != kMessage.size()) throw std::runtime_error("the response has the wrong length");
        std::memcpy(answer_, response.text, response.length);
    }

    ScratchFolder folder_;
    Shared* shared_;
    Buffer middle_;
    char answer_[120];
    WorkerProcess worker_;
};

/// A stream socket. Each way: a header of 16 bytes (what it is, how many bytes follow) and the bytes, in one sendmsg.
class BareSocket final : public Transport {
  public:
    explicit BareSocket(const Arguments& arguments)
        : worker_(arguments.python, arguments.workers + "/bare_socket.py",
                  {folder_.path() + "/socket", arguments.name == "socket_torch" ? "torch" : "bytes"}),
          socket_(checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
        const int room = 4 << 20;  // The kernel takes what net.core.wmem_max allows.
        ::setsockopt(socket_, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, (folder_.path() + "/socket").c_str(), sizeof address.sun_path - 1);
        checked(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), "connect");
    }
    ~BareSocket() override { ::close(socket_); }

    void run(Operation operation) override {
        char text[64];
        const std::uint64_t size = source_.size();
        switch (operation) {
            case Operation::echo:
                send('e', source_.data(), size);
                receive(target_.data(), size);
                break;
            case Operation::in:
                send('i', source_.data(), size);
                receive(text, 1);
                break;
            case Operation::out:
                send('o', &size, sizeof size);
                receive(target_.data(), size);
                break;
            default:
                send('t', kMessage.data(), kMessage.size());
                receive(text, kMessage.size());
        }
    }

    pid_t worker_pid() const override { return worker_.pid(); }

  private:
    static constexpr std::size_t kHead = 16;

    void send(char what, const void* data, std::size_t size) {
        std::uint64_t head[2] = {static_cast<std::uint64_t>(what), size};
        iovec parts[2] = {{head, kHead}, {const_cast<void*>(data), size}};
        msghdr message{};
        message.msg_iov = parts;
        message.msg_iovlen = 2;
        auto sent = static_cast<std::size_t>(checked(::sendmsg(socket_, &message, MSG_NOSIGNAL), "sendmsg"));
        while (sent < size + kHead) {
            const auto* rest = static_cast<const char*>(data) + sent - kHead;
            const auto part = checked(::send(socket_, rest, size + kHead - sent, MSG_NOSIGNAL), "send");
            sent += static_cast<std::size_t>(part);
        }
    }

    void receive(void* data, std::size_t size) {
        char head[kHead];
        iovec parts[2] = {{head, kHead}, {data, size}};
        for (std::size_t done = 0; done < kHead + size;) {
            const bool first = done == 0;
            const auto part =
                first
                    ? checked(::readv(socket_, parts, 2), "readv")
                    : checked(::recv(socket_, static_cast<char*>(data) + done - kHead, size + kHead - done, 0), "recv");
            if (part == 0 || (first && part < static_cast<ssize_t>(kHead)))
                throw std::runtime_error("the worker closed the socket, or sent half a header");
            done += static_cast<std::size_t>(part);
        }
    }

    ScratchFolder folder_;
    WorkerProcess worker_;
    int socket_;
};

/// Files and inotify by plain system calls: write a temporary file, rename it, sleep until the answer's rename.
class BareFiles final : public Transport {
  public:
    explicit BareFiles(const Arguments& arguments)
        : worker_(arguments.python, arguments.workers + "/bare_files.py", {folder_.path()}),
          inotify_(checked(::inotify_init1(IN_CLOEXEC), "inotify_init1")) {
        checked(::inotify_add_watch(inotify_, folder_.path().c_str(), IN_MOVED_TO), "inotify_add_watch");
    }
    ~BareFiles() override { ::close(inotify_); }

    void prepare(Operation operation, std::size_t) override {
        if (operation != Operation::text) throw Absent("measured with text alone");
    }

    void run(Operation) override {
        const int out = checked(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), "open");
        checked(::write(out, kMessage.data(), kMessage.size()), "write");
        ::close(out);
        checked(::rename(temporary_.c_str(), request_.c_str()), "rename");
        while (!rang()) continue;
        const int in = checked(::open(response_.c_str(), O_RDONLY | O_CLOEXEC), "open");
        char text[64];
        const auto length = ::read(in, text, sizeof text);
        ::close(in);
        ::unlink(response_.c_str());
        if (length != static_cast<ssize_t>(kMessage.size())) throw std::runtime_error("the response is too short");
    }

    pid_t worker_pid() const override { return worker_.pid(); }

  private:
    /// Sleeps until a file has come, and tells whether the response was among them.
    bool rang() {
        alignas(inotify_event) char events[4096];
        const auto size = checked(::read(inotify_, events, sizeof events), "read");
        bool found = false;
        for (ssize_t at = 0; at < size;) {
            inotify_event event;
            std::memcpy(&event, events + at, sizeof event);
            found = found || std::string_view(events + at + sizeof event) == "response";
            at += static_cast<ssize_t>(sizeof event + event.len);
        }
        return found;
    }

    ScratchFolder folder_;
    std::string temporary_ = folder_.path() + "/.host";
    std::string request_ = folder_.path() + "/request";
    std::string response_ = folder_.path() + "/response";
    WorkerProcess worker_;
    int inotify_;
};

/// No worker at all: the copies into and out of memory that both sides would share.
class MemoryCopy final : public Transport {
  public:
    void prepare(Operation operation, std::size_t bytes) override {
        if (operation == Operation::text) throw Absent("it copies memory");
        Transport::prepare(operation, bytes);
        if (middle_.size() != bytes || operation == Operation::out) middle_.assign(bytes, kWorkersByte);
    }
    void run(Operation operation) override {
        if (operation != Operation::out) copy(middle_, source_);
        if (operation != Operation::in) copy(target_, middle_);
    }

  private:
    /// Kept from being optimised into one copy, or none.
    static void copy(Buffer& to, const Buffer& from) {
        std::memcpy(to.data(), from.data(), from.size());
        __asm__ volatile("" : : "r"(to.data()) : "memory");
    }
    Buffer middle_;
};

}  // namespace

std::unique_ptr<Transport> open_transport(const Arguments& arguments) {
    if (arguments.name == "memcpy") return std::make_unique<MemoryCopy>();
    if (arguments.name == "socket" || arguments.name == "socket_torch") return std::make_unique<BareSocket>(arguments);
    if (arguments.name == "files") return std::make_unique<BareFiles>(arguments);
    return std::make_unique<BareFutex>(arguments);
}

double time_once(const Arguments&, const std::string&) {
    throw Absent("not measured for this row");
}

}  // namespace bench
