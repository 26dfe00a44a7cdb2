// What endpoints, pools and graphs cost, each beside the same without it, on one thread of one program. Commands:
//
//     measure <way> <bytes> <rounds> <budget in ms> <warm-up in ms>   -> {"ns": [...]}
//     throughput <workers> <ms>                                       -> {"per_second": ...}
//     info                                                            -> {"description": ...}
//
// Option: graph=NAME, the session of a served chain of three services, end=NAME, that of its last one.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include "commands.h"
#include "tech_renaissance.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kStages = 3;
constexpr double kNumber = 1.5;
const std::string kDouble = "double 1.5";
// Some 5 ms in a worker: what there is around a call is no longer seen then. As in function.py.
constexpr int kSteps = 100'000;

void require(bool right) {
    if (!right) throw std::runtime_error("a wrong answer");
}

/// Every kind of call that is timed; workers are started by the first that needs them.
class Services {
  public:
    explicit Services(Arguments arguments) : arguments_(std::move(arguments)) {}

    nlohmann::json measure_way(const std::string& way, std::size_t bytes, std::size_t rounds, std::int64_t budget_ms,
                               std::int64_t warm_up_ms) {
        const auto found = kWays.find(way);
        if (found == kWays.end()) throw Absent("not a way of this program: " + way);
        prepare(way, bytes);
        const auto run = found->second;
        auto answer = measure([this, run] { (this->*run)(); }, [this] { check(); }, rounds, budget_ms, warm_up_ms);
        result_ = {};
        return answer;
    }

    /// Calls per second of a pool of so many workers, with a thread for each, in which workers compute and no more.
    double throughput(int workers, std::int64_t milliseconds) {
        auto& pool = computing_[workers];
        if (!pool) pool = started_pool("endpoints", workers);
        std::atomic<std::uint64_t> done{0};
        const auto begin = Clock::now();
        const auto end = begin + std::chrono::milliseconds(milliseconds);
        std::vector<std::thread> threads;
        for (int i = 0; i < workers; ++i)
            threads.emplace_back([&] {
                for (; Clock::now() < end; ++done) pool->call("compute", kSteps);
            });
        for (auto& thread : threads) thread.join();
        return static_cast<double>(done.load()) / std::chrono::duration<double>(Clock::now() - begin).count();
    }

  private:
    using Way = void (Services::*)();

    /// @param kind of server: "bare", which has a main_logic and no endpoints, or "endpoints"
    tr::SessionOptions options(const std::string& kind) const {
        tr::SessionOptions options;
        options.script = arguments_.workers + "/service_server.py";
        options.environment["BENCH_KIND"] = kind;
        options.python = arguments_.python;
        options.quiet = true;
        return options;
    }

    std::unique_ptr<tr::Pool> started_pool(const std::string& kind, int workers) const {
        tr::PoolOptions pool_options;
        pool_options.session = options(kind);
        pool_options.workers = workers;
        auto pool = std::make_unique<tr::Pool>(pool_options);
        pool->start();
        return pool;
    }

    std::unique_ptr<tr::PythonSession> started_session(const std::string& kind) const {
        auto session = std::make_unique<tr::PythonSession>(options(kind));
        session->start();
        session->wait_until_ready();
        return session;
    }

    /// Makes ready for runs of one way with this many bytes; not timed.
    void prepare(const std::string& way, std::size_t bytes) {
        if (!bare_) bare_ = started_session("bare");
        if (way.rfind("endpoint", 0) == 0 && !endpoints_) endpoints_ = started_session("endpoints");
        if (way.rfind("pool", 0) == 0 && !pool_) pool_ = started_pool("bare", 2);
        if (way == "stages")
            while (stages_.size() < kStages) stages_.push_back(started_session("endpoints"));
        if (way == "stage" && stages_.empty()) stages_.push_back(started_session("endpoints"));
        if (way == "graph" && !graph_) graph_ = connected("graph");
        if (way == "graph_end" && !end_) end_ = connected("end");
        if (way == "memcpy") {
            target_.resize(bytes);
            source_.resize(bytes, 1);
        }
        expected_added_ = way == "stages" || way == "graph" ? 3.0F : way == "stage" || way == "graph_end" ? 1.0F : 0.0F;
        const auto rows = static_cast<std::int64_t>(bytes / sizeof(float) / 16);
        if (way == "stages" || way == "stage")
            input_ = stages_[0]->empty({rows, 16}, tr::DType::FP32, "input");
        else if (way == "graph" || way == "graph_end")
            input_ = (way == "graph" ? *graph_ : *end_).empty({rows, 16}, tr::DType::FP32, "input");
        else
            input_ = tr::Tensor::zeros({rows, 16}, tr::DType::FP32);
        std::memset(input_.raw_data(), 0, bytes);
        result_ = {};
    }

    std::unique_ptr<tr::PythonSession> connected(const std::string& option) const {
        const auto name = arguments_.option(option);
        if (name.empty()) throw Absent("no graph is served");
        tr::SessionOptions options;
        options.quiet = true;
        return std::make_unique<tr::PythonSession>(tr::PythonSession::connect(name, options));
    }

    /// All that came back with the last run is what went out, and what stages have added to each element they touch.
    void check() const {
        if (!result_.defined()) return;
        const auto* numbers = result_.data<float>();
        const auto count = static_cast<std::size_t>(result_.numel());
        require(result_.shape() == input_.shape());
        if (count == 0) return;
        require(numbers[0] == expected_added_ && numbers[count - 1] == expected_added_);
    }

    void main_value() { require(std::stod(bare_->fetch_response(kDouble)) == 2 * kNumber); }
    void endpoint_value() { require(endpoints_->call("twice", kNumber).value().as_double() == 2 * kNumber); }
    void pool_value() { require(std::stod(pool_->fetch_response(kDouble)) == 2 * kNumber); }
    void main_tensor() { result_ = bare_->calculate("same", input_); }
    void endpoint_tensor() { result_ = endpoints_->call("untyped", input_).tensor(); }
    void pool_tensor() { result_ = pool_->calculate("same", input_); }
    void main_typed() { result_ = bare_->calculate("scale", input_); }
    void endpoint_typed() { result_ = endpoints_->call("typed", input_).tensor(); }

    void memcpy_alone() {
        std::memcpy(target_.data(), source_.data(), source_.size());
        // What nobody reads may be left out.
        if (target_[target_.size() - 1] != source_[source_.size() - 1]) throw std::runtime_error("a wrong answer");
    }
    void stage() {
        result_ = {};
        result_ = stages_[0]->call("step", input_).tensor();
    }
    void stages() {
        result_ = {};
        const tr::Tensor first = stages_[0]->call("step", input_).tensor();
        const tr::Tensor second = stages_[1]->call("step", first).tensor();
        result_ = stages_[2]->call("step", second).tensor();
    }
    void graph() {
        result_ = {};
        result_ = graph_->call("step", input_).tensor();
    }
    void graph_end() {
        result_ = {};
        result_ = end_->call("step", input_).tensor();
    }

    static const std::map<std::string, Way> kWays;

    Arguments arguments_;
    std::unique_ptr<tr::PythonSession> bare_;
    std::unique_ptr<tr::PythonSession> endpoints_;
    std::unique_ptr<tr::Pool> pool_;
    std::map<int, std::unique_ptr<tr::Pool>> computing_;  ///< by their number of workers
    std::vector<std::unique_ptr<tr::PythonSession>> stages_;
    std::unique_ptr<tr::PythonSession> graph_;
    std::unique_ptr<tr::PythonSession> end_;
    std::vector<unsigned char> source_;
    std::vector<unsigned char> target_;
    tr::Tensor input_;
    tr::Tensor result_;
    float expected_added_ = 0;
};

const std::map<std::string, Services::Way> Services::kWays = {
    {"main_value", &Services::main_value},
    {"endpoint_value", &Services::endpoint_value},
    {"pool_value", &Services::pool_value},
    {"main_tensor", &Services::main_tensor},
    {"endpoint_tensor", &Services::endpoint_tensor},
    {"pool_tensor", &Services::pool_tensor},
    {"main_typed", &Services::main_typed},
    {"endpoint_typed", &Services::endpoint_typed},
    {"memcpy", &Services::memcpy_alone},
    {"stage", &Services::stage},
    {"stages", &Services::stages},
    {"graph", &Services::graph},
    {"graph_end", &Services::graph_end},
};

nlohmann::json obey(Services& services, const std::string& line) {
    std::istringstream words(line);
    std::string verb;
    std::string way;
    std::size_t number = 0;
    std::size_t rounds = 0;
    std::int64_t milliseconds = 0;
    std::int64_t warm_up = 0;
    words >> verb;
    if (verb == "measure" && words >> way >> number >> rounds >> milliseconds >> warm_up)
        return services.measure_way(way, number, rounds, milliseconds, warm_up);
    if (verb == "throughput" && words >> number >> milliseconds)
        return {{"per_second", services.throughput(static_cast<int>(number), milliseconds)}};
    if (verb == "info") return {{"host_pid", ::getpid()}, {"description", ""}};
    throw std::invalid_argument("not a command: '" + line + "'");
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    if (argc < 4) {
        std::cerr << "usage: " << argv[0] << " <unused> <python> <folder of workers> [key=value ...]\n";
        return 2;
    }
    bench::Services services({argv[1], argv[2], argv[3], {argv + 4, argv + argc}});
    bench::obey_all([&](const std::string& line) { return bench::obey(services, line); });
    return 0;
}
