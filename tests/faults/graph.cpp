// C++ clients of a served graph, whose workers its storm kills (graph.py): each answer is compared, and each call that
// fails has to say why.
#include <poll.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "drive.h"

namespace tr::faults {
namespace {

namespace fs = std::filesystem;

struct Counts {
    std::atomic<int> sent{0}, answered{0}, failed{0}, wrong{0}, hung{0};
};

/// One program's client of a stage; used by one thread.
class GraphClient {
  public:
    /// @param number every other one calls the stage in the middle, every third has a policy that waits and repeats
    GraphClient(const Arguments& arguments, int number, Counts& counts)
        : whole_(number % 2 == 0),
          stop_(arguments.workspace + "/stop"),
          counts_(counts),
          random_(arguments.seed * 1000 + static_cast<unsigned>(number)) {
        SessionOptions options;
        options.workspace = arguments.workspace;
        options.quiet = true;
        options.default_timeout_ms = 30'000;
        if (number % 3 == 0) {
            options.restart.attempts = 1000;
            options.restart.max_backoff_ms = 50;
            options.restart.quarantine_after = 0;
            options.restart.idempotent = {"*"};
        }
        const std::string stage = whole_ ? "annotate-0" : "annotate.classify-0";
        session_ = std::make_unique<PythonSession>(PythonSession::connect(stage, options));
    }

    void call_until_told() {
        while (!told()) {
            ++counts_.sent;
            try {
                call();
                ++counts_.answered;
            } catch (const TimeoutError& error) {
                note(counts_.hung, error);
            } catch (const RestartError&) {
                ++counts_.failed;
                connect_again();
            } catch (const RemoteError& error) {
                note(contains(error, "RestartError") || contains(error, "RetryError") ? counts_.failed : counts_.wrong,
                     error);
            } catch (const RetryError&) {
                ++counts_.failed;
            } catch (const std::exception& error) {
                note(counts_.wrong, error);
            }
        }
    }

  private:
    bool told() const { return fs::exists(stop_); }
    static bool contains(const std::exception& error, const char* text) {
        return std::string(error.what()).find(text) != std::string::npos;
    }
    void note(std::atomic<int>& count, const std::exception& error) const {
        ++count;
        if (&count != &counts_.failed) std::fprintf(stderr, "graph: %s\n", error.what());
    }

    void call() {
        Tensor rows = Tensor::empty(Shape(1 + static_cast<std::int64_t>(random_() % 8), 4), DType::INT64);
        auto* values = rows.data<std::int64_t>();
        for (std::int64_t i = 0; i < rows.numel(); ++i) values[i] = static_cast<std::int64_t>(random_() >> 14);
        const std::string token = std::to_string(random_());
        const Result found = whole_ ? session_->call("read", rows, token) : session_->call("classify", rows);
        const Tensor& answer = whole_ ? found.tensor("rows") : found.tensor();
        if (answer.shape() != rows.shape() || (whole_ && found.text("token") != token))
            throw Violation("the answer of another call");
        for (std::int64_t i = 0; i < rows.numel(); ++i)
            if (answer.data<std::int64_t>()[i] != (values[i] + (whole_ ? 1 : 0)) * 3)
                throw Violation("the rows of another call");
    }

    /// A worker comes in the place of the one that has gone; there is nothing to be waited on but that.
    void connect_again() {
        while (!told()) {
            try {
                return session_->restart();
            } catch (const TRException&) {
                ::poll(nullptr, 0, 10);
            }
        }
    }

    const bool whole_;
    const std::string stop_;
    Counts& counts_;
    std::mt19937_64 random_;
    std::unique_ptr<PythonSession> session_;
};

}  // namespace

int graph_clients(const Arguments& arguments) {
    Counts counts;
    std::vector<std::unique_ptr<GraphClient>> clients;
    for (int i = 0; i < arguments.sessions; ++i) clients.push_back(std::make_unique<GraphClient>(arguments, i, counts));
    std::printf("connected\n");
    std::fflush(stdout);
    std::vector<std::thread> threads;
    for (const auto& client : clients) threads.emplace_back([&client] { client->call_until_told(); });
    for (auto& thread : threads) thread.join();
    clients.clear();
    std::printf("{\"sent\": %d, \"answered\": %d, \"failed\": %d, \"wrong\": %d, \"hung\": %d}\n", counts.sent.load(),
                counts.answered.load(), counts.failed.load(), counts.wrong.load(), counts.hung.load());
    return 0;
}

}  // namespace tr::faults
