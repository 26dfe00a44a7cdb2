// gRPC, unary calls over a Unix socket: one channel and one stub, reused; no limit on the length of messages.
#include <grpcpp/grpcpp.h>

#include <cstring>

#include "messages.grpc.pb.h"
#include "transport.h"
#include "worker_process.h"

namespace bench {
namespace {

class Grpc final : public Transport {
  public:
    explicit Grpc(const Arguments& arguments)
        : queued_(arguments.option("client") == "queue"),
          worker_(arguments.python, arguments.workers + "/grpc_server.py",
                  {folder_.path() + "/socket", arguments.option("server")}) {
        grpc::ChannelArguments settings;
        settings.SetMaxReceiveMessageSize(-1);
        settings.SetMaxSendMessageSize(-1);
        settings.SetString("grpc.optimization_target", "latency");
        stub_ = Worker::NewStub(grpc::CreateCustomChannel("unix:" + folder_.path() + "/socket",
                                                          grpc::InsecureChannelCredentials(), settings));
    }

    void prepare(Operation operation, std::size_t bytes) override {
        Transport::prepare(operation, bytes);
        // Filled once: the caller's bytes are where gRPC wants them.
        request_.set_data(operation == Operation::text ? kMessage : std::string(source_.begin(), source_.end()));
    }

    void run(Operation operation) override {
        grpc::ClientContext context;
        Size size;
        switch (operation) {
            case Operation::in:
                call<Size>(context, request_, size, &Worker::Stub::In, &Worker::Stub::AsyncIn);
                break;
            case Operation::out:
                size.set_bytes(source_.size());
                call<Payload>(context, size, response_, &Worker::Stub::Out, &Worker::Stub::AsyncOut);
                break;
            default:
                call<Payload>(context, request_, response_, &Worker::Stub::Echo, &Worker::Stub::AsyncEcho);
                if (response_.data().size() != request_.data().size())
                    throw std::runtime_error("the response has the wrong length");
        }
    }

    pid_t worker_pid() const override { return worker_.pid(); }

  protected:
    const unsigned char* received() const override {
        return reinterpret_cast<const unsigned char*>(response_.data().data());
    }

  private:
    /// Blocks in the stub, or drives a completion queue on this thread.
    template <class Answer, class Question, class Blocking, class Started>
    void call(grpc::ClientContext& context, const Question& question, Answer& answer, Blocking blocking,
              Started started) {
        grpc::Status status;
        if (queued_) {
            auto reader = (stub_.get()->*started)(&context, question, &queue_);
            reader->Finish(&answer, &status, nullptr);
            void* tag = nullptr;
            bool ok = false;
            if (!queue_.Next(&tag, &ok) || !ok) throw std::runtime_error("the completion queue ended");
        } else {
            status = (stub_.get()->*blocking)(&context, question, &answer);
        }
        if (!status.ok()) throw std::runtime_error("gRPC: " + status.error_message());
    }

    bool queued_;
    ScratchFolder folder_;
    WorkerProcess worker_;
    std::unique_ptr<Worker::Stub> stub_;
    grpc::CompletionQueue queue_;
    Payload request_;
    Payload response_;
};

}  // namespace

std::unique_ptr<Transport> open_transport(const Arguments& arguments) {
    return std::make_unique<Grpc>(arguments);
}

double time_once(const Arguments&, const std::string&) {
    throw Absent("not measured for this row");
}

}  // namespace bench
