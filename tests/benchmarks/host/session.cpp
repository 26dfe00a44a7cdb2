// This project's rows: what a program that uses the library gets.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>

#include "tech_renaissance.h"
#include "transport.h"

namespace bench {
namespace {

tr::SessionOptions options_for(const Arguments& arguments, const std::string& script) {
    tr::SessionOptions options;
    options.script = arguments.workers + "/" + script;
    options.python = arguments.python;
    options.quiet = true;
    options.wake_up = tr::wake_up_from_string(arguments.option("wake_up"));
    if (const auto busy = arguments.option("busy_wait_us"); !busy.empty()) options.busy_wait_us = std::stoll(busy);
    const auto variable = arguments.option("environment");  // NAME:value
    if (!variable.empty())
        options.environment[variable.substr(0, variable.find(':'))] = variable.substr(variable.find(':') + 1);
    return options;
}

class Session final : public Transport {
  public:
    explicit Session(const Arguments& arguments)
        : arguments_(arguments), session_(options_for(arguments, "session_server.py")) {
        session_.start();
        session_.wait_until_ready();
        const auto stats = session_.stats();
        const auto wanted = arguments.option("wake_up");
        const bool as_asked =
            stats.carrier == (wanted == "futex" ? "mailbox" : "files") && stats.worker_wake_up == wanted;
        // A worker that could not load the library would be measured under the wrong name.
        const bool quick = stats.worker_mailbox != "python" || !arguments.option("environment").empty();
        if (!as_asked || !quick)
            throw Absent("asked for " + wanted + ", got " + stats.carrier + " with " + stats.worker_wake_up + ": " +
                         stats.fallback);
    }

    void prepare(Operation operation, std::size_t bytes) override {
        const bool fresh = source_.size() != bytes;
        const bool in_place = operation == Operation::in_place;
        if (operation == Operation::compute) {
            compute_ = "compute " + std::to_string(bytes);
            return;
        }
        Transport::prepare(in_place || operation >= Operation::echo_view ? Operation::echo : operation, bytes);
        shape_ = tr::Shape({static_cast<std::int64_t>(bytes / sizeof(float))});
        result_ = {};
        if (fresh || !in_place) shared_ = {};
        if (in_place && !shared_.defined()) {
            shared_ = session_.empty(shape_, tr::DType::FP32, "shared");
            std::memset(shared_.raw_data(), kWorkersByte, bytes);
        }
        if (operation == Operation::calculate_default && default_ == nullptr) {
            auto options = options_for(arguments_, "");
            options.script = "default";
            default_ = std::make_unique<tr::PythonSession>(options);
            default_->start();
        }
        if (operation == Operation::calculate || operation == Operation::calculate_default)
            std::memset(source_.data(), kWorkersByte, bytes);  // positive numbers, so relu leaves them
    }

    void run(Operation operation) override {
        if (operation == Operation::compute) {
            session_.fetch_response(compute_);
            return;
        }
        const tr::TensorView view(static_cast<const void*>(source_.data()), shape_, tr::DType::FP32);
        switch (operation) {
            case Operation::text:
                if (session_.fetch_response(kMessage) != kMessage) throw std::runtime_error("a wrong answer");
                return;
            case Operation::echo:
                result_ = session_.calculate("echo", view);
                std::memcpy(target_.data(), result_.raw_data(), target_.size());
                result_ = {};
                return;
            case Operation::in:
                session_.send_tensor(view, "a");
                session_.fetch_response("in a");
                return;
            case Operation::out:
                result_ = session_.fetch_tensor("out " + std::to_string(shape_.numel()));
                return;
            case Operation::in_place:
                session_.send_tensor(shared_, "shared");
                result_ = session_.fetch_tensor("in_place shared");
                if (shape_.numel() > 0 && *result_.data<float>() != *shared_.data<float>())
                    throw std::runtime_error("a wrong answer");
                return;
            case Operation::echo_view:
                result_ = session_.calculate("echo", view);
                return;
            case Operation::calculate:
                result_ = session_.calculate("relu", view);
                return;
            case Operation::calculate_default:
                result_ = default_->calculate("relu", view);
                return;
            case Operation::compute:
                return;
        }
    }

    void check(Operation operation) const override {
        if (operation == Operation::in_place || operation == Operation::text || operation == Operation::compute) return;
        if (operation == Operation::calculate || operation == Operation::calculate_default) operation_check();
        Transport::check(operation);
    }

    pid_t worker_pid() const override { return static_cast<pid_t>(session_.stats().worker_pid); }
    std::string directory() const override { return session_.session_dir(); }
    std::string description() const override {
        const auto stats = session_.stats();
        return stats.carrier + ", host " + stats.host_wake_up + ", worker " + stats.worker_wake_up + ", " +
               stats.file_system + (stats.fallback.empty() ? "" : ", fallback: " + stats.fallback);
    }

  protected:
    const unsigned char* received() const override {
        return result_.defined() ? static_cast<const unsigned char*>(result_.raw_data()) : target_.data();
    }

  private:
    void operation_check() const {
        if (std::memcmp(received(), source_.data(), source_.size()) != 0) throw std::runtime_error("a wrong answer");
    }

    Arguments arguments_;
    tr::PythonSession session_;
    std::unique_ptr<tr::PythonSession> default_;
    std::string compute_;
    tr::Shape shape_;
    tr::Tensor shared_;
    tr::Tensor result_;
};

}  // namespace

std::unique_ptr<Transport> open_transport(const Arguments& arguments) {
    return std::make_unique<Session>(arguments);
}

namespace {

double seconds(std::chrono::steady_clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
}

/// From start() until the worker is ready; of so many at once, a thread each, until the last one is.
double start(const Arguments& arguments, const std::string& kind, std::size_t many = 1) {
    const bool quick = kind == "template";
    auto options = options_for(arguments, kind == "bare" ? "bare_server.py" : "torch_server.py");
    options.quick_start = quick;
    static bool template_is_there = false;
    if (quick && !template_is_there) {
        template_is_there = true;
        start(arguments, kind);
    }
    std::vector<tr::PythonSession> sessions;
    for (std::size_t i = 0; i < many; ++i) sessions.emplace_back(options);
    const auto start_one = [](tr::PythonSession& session) {
        session.start();
        session.wait_until_ready();
    };
    const auto before = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i < many; ++i) threads.emplace_back(start_one, std::ref(sessions[i]));
    start_one(sessions[0]);
    for (auto& thread : threads) thread.join();
    const auto taken = std::chrono::steady_clock::now() - before;
    for (const auto& session : sessions)
        if (quick && session.stats().start != "template") throw Absent("started anew: " + session.stats().start);
    return seconds(taken);
}

/// Of a server that runs several requests at a time.
class Several {
  public:
    Several(const Arguments& arguments, const std::string& kind) : session_(options(arguments, kind)) {
        session_.start();
        session_.wait_until_ready();
        // Each channel is made by the first request in it.
        std::vector<tr::CallFuture> first;
        for (int i = 0; i < kThreads; ++i) first.push_back(session_.calculate_async("wait 0.05", none_));
        for (auto& future : first) future.get();
    }

    /// From the first of four calls that wait 50 ms each, a thread each, to the last answer.
    double together() {
        std::vector<std::thread> threads;
        const auto before = std::chrono::steady_clock::now();
        for (int i = 0; i < kThreads; ++i) threads.emplace_back([this] { session_.fetch_response("wait 0.05"); });
        for (auto& thread : threads) thread.join();
        return seconds(std::chrono::steady_clock::now() - before);
    }

    /// Median of quick calls; `beside` one of a second.
    double quick(bool beside) {
        std::optional<tr::CallFuture> slow;
        if (beside) slow = session_.calculate_async("wait 1", none_);
        std::vector<double> samples;
        for (int i = 0; i < 500; ++i) {
            const auto before = std::chrono::steady_clock::now();
            session_.fetch_response("quick");
            samples.push_back(seconds(std::chrono::steady_clock::now() - before));
        }
        if (slow && slow->is_ready()) throw std::runtime_error("the slow call ended before the quick ones");
        if (slow) slow->get();
        std::nth_element(samples.begin(), samples.begin() + 250, samples.end());
        return samples[250];
    }

  private:
    static constexpr int kThreads = 4;
    static tr::SessionOptions options(const Arguments& arguments, const std::string& kind) {
        auto options = options_for(arguments, "several_server.py");
        options.max_ongoing_requests = kThreads;
        options.environment["BENCH_KIND"] = kind;
        return options;
    }

    tr::PythonSession session_;
    const std::vector<tr::Tensor> none_;
};

}  // namespace

double time_once(const Arguments& arguments, const std::string& what) {
    if (what == "together") return Several(arguments, "async").together();
    if (what == "quick_idle") return Several(arguments, "threads").quick(false);
    if (what == "quick_beside") return Several(arguments, "threads").quick(true);
    if (what == "template_8") return start(arguments, "template", 8);
    return start(arguments, what);
}

}  // namespace bench
