// A host program: obeys one command per line on standard input and answers each with a line of JSON.
//
//     measure <operation> <bytes> <rounds> <budget in ms> <warm-up in ms>   -> {"ns": [...]}
//     throughput <transports> <ms>                          -> {"per_second": ...}
//     time <what>                                           -> {"ns": [...]}
//     info                                                  -> {"host_pid": ..., "worker_pid": ..., ...}
//
// What a row does not have answers {"absent": reason}, what went wrong {"error": reason}.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "transport.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

json measure_operation(Transport& transport, Operation operation, std::size_t bytes, std::size_t rounds,
                       std::int64_t budget_ms, std::int64_t warm_up_ms) {
    transport.prepare(operation, bytes);
    return measure([&] { transport.run(operation); }, [&] { transport.check(operation); }, rounds, budget_ms,
                   warm_up_ms);
}

/// Text round trips per second of several transports, a thread each.
json throughput(const Arguments& arguments, std::size_t count, std::int64_t milliseconds) {
    std::vector<std::unique_ptr<Transport>> transports;
    for (std::size_t i = 0; i < count; ++i) {
        transports.push_back(open_transport(arguments));
        transports.back()->prepare(Operation::text, 0);
        for (int warm = 0; warm < 20; ++warm) transports.back()->run(Operation::text);
    }
    std::atomic<bool> go{false};
    std::atomic<std::uint64_t> done{0};
    std::vector<std::thread> threads;
    for (auto& transport : transports)
        threads.emplace_back([&go, &done, &transport, milliseconds] {
            while (!go.load()) std::this_thread::yield();
            const auto end = Clock::now() + std::chrono::milliseconds(milliseconds);
            std::uint64_t mine = 0;
            for (; Clock::now() < end; ++mine) transport->run(Operation::text);
            done += mine;
        });
    go = true;
    for (auto& thread : threads) thread.join();
    return {{"per_second", static_cast<double>(done.load()) * 1e3 / static_cast<double>(milliseconds)}};
}

json obey(const std::string& line, const Arguments& arguments, std::unique_ptr<Transport>& transport) {
    std::istringstream words(line);
    std::string verb;
    std::string what;
    std::size_t bytes = 0;
    std::size_t rounds = 0;
    std::int64_t milliseconds = 0;
    std::int64_t warm_up = 0;
    words >> verb;
    if (verb == "measure" && words >> what >> bytes >> rounds >> milliseconds >> warm_up)
        return measure_operation(*transport, operation_from(what), bytes, rounds, milliseconds, warm_up);
    if (verb == "throughput" && words >> rounds >> milliseconds) {
        transport.reset();
        return throughput(arguments, rounds, milliseconds);
    }
    if (verb == "time" && words >> what) return {{"ns", {static_cast<std::int64_t>(time_once(arguments, what) * 1e9)}}};
    if (verb == "info")
        return {{"host_pid", ::getpid()},
                {"worker_pid", transport->worker_pid()},
                {"directory", transport->directory()},
                {"description", transport->description()}};
    throw std::invalid_argument("not a command: '" + line + "'");
}

}  // namespace

Operation operation_from(const std::string& name) {
    const std::vector<std::string> names = {"text",     "echo",      "echo_view",         "in",     "out",
                                            "in_place", "calculate", "calculate_default", "compute"};
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) throw std::invalid_argument("no operation is called '" + name + "'");
    return static_cast<Operation>(found - names.begin());
}

void Transport::prepare(Operation operation, std::size_t bytes) {
    if (operation == Operation::echo_view || operation == Operation::in_place)
        throw Absent("it shares no memory with the worker");
    if (operation == Operation::calculate || operation == Operation::calculate_default)
        throw Absent("it moves bytes and knows no tensors");
    if (operation == Operation::compute) throw Absent("measured for this project alone");
    if (operation == Operation::text || source_.size() == bytes) return;
    source_ = Buffer(bytes);
    target_ = Buffer(bytes);
    for (std::size_t i = 0; i < bytes; ++i) source_[i] = static_cast<unsigned char>(i * 31 + i / 4096);
}

void Transport::check(Operation operation) const {
    const std::size_t size = source_.size();
    bool right = true;
    if (size == 0 || operation == Operation::text) return;
    if (operation == Operation::echo || operation == Operation::echo_view)
        right = std::memcmp(received(), source_.data(), size) == 0;
    if (operation == Operation::out)
        right = std::all_of(received(), received() + size, [](unsigned char byte) { return byte == kWorkersByte; });
    if (!right) throw std::runtime_error("the bytes that came back are not those that should have");
}

}  // namespace bench

int main(int argc, char** argv) {
    if (argc < 4) {
        std::cerr << "usage: " << argv[0] << " <transport> <python> <folder of workers> [key=value ...]\n";
        return 2;
    }
    const bench::Arguments arguments{argv[1], argv[2], argv[3], {argv + 4, argv + argc}};
    std::unique_ptr<bench::Transport> transport;
    bench::obey_all([&](const std::string& line) {
        if (!transport && line.rfind("time ", 0) != 0) transport = bench::open_transport(arguments);
        return bench::obey(line, arguments, transport);
    });
    return 0;
}
