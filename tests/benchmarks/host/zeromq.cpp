// ZeroMQ REQ/REP over ipc://, as its guide says for large messages: sent from where they lie, received as frames.
#include <zmq.h>

#include <cstring>

#include "transport.h"
#include "worker_process.h"

namespace bench {
namespace {

class ZeroMq final : public Transport {
  public:
    explicit ZeroMq(const Arguments& arguments)
        : worker_(arguments.python, arguments.workers + "/zeromq.py", {folder_.path() + "/socket"}),
          context_(zmq_ctx_new()),
          socket_(zmq_socket(context_, ZMQ_REQ)) {
        zmq_msg_init(&frame_);
        if (zmq_connect(socket_, ("ipc://" + folder_.path() + "/socket").c_str()) != 0)
            throw std::runtime_error(std::string("zmq_connect: ") + zmq_strerror(zmq_errno()));
    }
    ~ZeroMq() override {
        zmq_msg_close(&frame_);
        const int at_once = 0;
        zmq_setsockopt(socket_, ZMQ_LINGER, &at_once, sizeof at_once);
        zmq_close(socket_);
        zmq_ctx_term(context_);
    }

    void run(Operation operation) override {
        const std::uint64_t size = source_.size();
        switch (operation) {
            case Operation::echo:
                send("e", source_.data(), size, size);
                break;
            case Operation::in:
                send("i", source_.data(), size, 1);
                break;
            case Operation::out:
                send("o", &size, sizeof size, size);
                break;
            default:
                send("t", kMessage.data(), kMessage.size(), kMessage.size());
        }
    }

    pid_t worker_pid() const override { return worker_.pid(); }

  protected:
    /// A frame that came in is ordinary memory of this process, as good as one of ours.
    const unsigned char* received() const override {
        return static_cast<const unsigned char*>(zmq_msg_data(const_cast<zmq_msg_t*>(&frame_)));
    }

  private:
    void send(const char* what, const void* data, std::size_t size, std::size_t expected) {
        // Small ones are copied into the message, which is quicker than counting who holds them.
        constexpr std::size_t kCopied = 64U << 10;
        require(zmq_send(socket_, what, 1, ZMQ_SNDMORE) == 1);
        if (size <= kCopied) {
            require(zmq_send(socket_, data, size, 0) == static_cast<int>(size));
        } else {
            zmq_msg_t message;
            require(zmq_msg_init_data(&message, const_cast<void*>(data), size, [](void*, void*) {}, nullptr) == 0);
            require(zmq_msg_send(&message, socket_, 0) == static_cast<int>(size));
        }
        require(zmq_msg_recv(&frame_, socket_, 0) == static_cast<int>(expected));
    }
    static void require(bool done) {
        if (!done) throw std::runtime_error(std::string("ZeroMQ: ") + zmq_strerror(zmq_errno()));
    }

    ScratchFolder folder_;
    WorkerProcess worker_;
    void* context_;
    void* socket_;
    zmq_msg_t frame_;
};

}  // namespace

std::unique_ptr<Transport> open_transport(const Arguments& arguments) {
    return std::make_unique<ZeroMq>(arguments);
}

double time_once(const Arguments&, const std::string&) {
    throw Absent("not measured for this row");
}

}  // namespace bench
