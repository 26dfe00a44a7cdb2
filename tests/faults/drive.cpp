#include "drive.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "faults.h"

namespace tr::faults {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kSmall = 1'000;
constexpr std::size_t kLarge = 100'000;  // over every limit below which something is copied

std::vector<std::uint8_t> flipped(std::vector<std::uint8_t> bytes) {
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(~byte);
    return bytes;
}

Shape shape_of(const std::vector<std::uint8_t>& bytes) {
    return Shape({static_cast<std::int64_t>(bytes.size())});
}

}  // namespace

std::vector<std::uint8_t> pattern(std::uint64_t seed, std::size_t size) {
    std::vector<std::uint8_t> bytes(size);
    std::uint64_t state = seed * 0x9E3779B97F4A7C15U + 1;
    for (auto& byte : bytes) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        byte = static_cast<std::uint8_t>(state >> 56);
    }
    return bytes;
}

std::string read_text(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t count_entries(const std::string& directory) {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

SessionOptions options_for(const Arguments& arguments, const std::string& session_id, bool quick_start) {
    const std::string here = std::string(TR_REPO_DIR) + "/tests/faults";
    SessionOptions options;
    options.script = here + "/server.py";
    options.session_id = session_id;
    options.workspace = arguments.workspace;
    options.python = TR_TEST_PYTHON;
    options.quiet = true;
    options.default_timeout_ms = 15'000;
    options.environment = {{"TR_FAULT_FILE", fault_file(arguments)}, {"TR_FAULT_BARE", "1"}, {"PYTHONPATH", here}};
    options.environment["TR_LIBRARY"] =
        arguments.carrier == "mailbox-ctypes"
            ? ""
            : (fs::read_symlink("/proc/self/exe").parent_path() / "tr_faults_library.so").string();
    if (arguments.carrier == "mailbox-0us") options.busy_wait_us = 0;
    if (arguments.carrier == "mailbox-1us") options.busy_wait_us = 1;
    if (arguments.carrier == "inotify") options.wake_up = WakeUp::inotify;
    if (arguments.carrier == "polling") options.wake_up = WakeUp::polling;
    options.quick_start = quick_start;
    options.preload = {"points"};  // which changes what the package is made of
    return options;
}

SessionOptions options_at_once(SessionOptions options, int at_once) {
    options.max_ongoing_requests = at_once;
    options.environment["TR_FAULT_THREADS"] = std::to_string(at_once);
    return options;
}

std::string fault_file(const Arguments& arguments) {
    return arguments.workspace + "/fault";
}

void order_death(const Arguments& arguments, const std::string& who, const std::string& step, int passage) {
    const std::string path = fault_file(arguments);
    std::ofstream(path + ".new") << who << '\n' << step << '\n' << passage << '\n';
    fs::rename(path + ".new", path);
    fs::remove(path + ".died");
}

std::optional<std::int64_t> time_of_death(const Arguments& arguments) {
    const std::string path = fault_file(arguments) + ".died";
    const std::string text = read_text(path);
    fs::remove(path);
    if (text.empty()) return std::nullopt;
    return std::stoll(text);
}

Steps chosen_steps(const Arguments& arguments, const std::string& trace_file) {
    std::ifstream file(trace_file);
    Steps all;
    std::string line;
    while (std::getline(file, line)) {
        const auto tab = line.find('\t');
        // Memory is given back by who has sent no tensor for a second, which is for a slow machine to decide.
        if (line.substr(0, tab) == "buffer removed") continue;
        all.emplace_back(line.substr(0, tab), std::stoi(line.substr(tab + 1)));
    }
    if (all.empty()) throw Violation("no step was passed: a process did not come to its end");
    std::sort(all.begin(), all.end());
    // By name, as other processes that share the steps need not have come by all of these.
    const auto is_mine = [&arguments](const std::string& step) {
        unsigned sum = 0;
        for (const char letter : step) sum = sum * 31 + static_cast<unsigned char>(letter);
        return static_cast<int>(sum % static_cast<unsigned>(arguments.shards)) == arguments.shard;
    };
    const auto is_asked_for = [&arguments](const std::string& step) {
        std::istringstream words(arguments.steps);
        for (std::string word; std::getline(words, word, ',');)
            if (step.find(word) != std::string::npos) return true;
        return arguments.steps.empty();
    };
    Steps chosen;
    for (const auto& step : all)
        if (is_asked_for(step.first) && is_mine(step.first)) chosen.push_back(step);
    return chosen;
}

// ------------------------------------------------------------------------------------------------------------- drive

Drive::Drive(PythonSession& session, int number)
    : session_(session), seed_(static_cast<std::uint64_t>(number) << 32), shared_("shared" + std::to_string(number)) {}

void Drive::begin() {
    began_ = monotonic_ns();
    ++seed_;
}

void Drive::everything(bool wait_until_ready) {
    start(wait_until_ready);
    calls();
    end();
}

void Drive::start(bool wait_until_ready) {
    begin();
    session_.start();
    if (wait_until_ready) session_.wait_until_ready();
}

void Drive::end() {
    begin();
    session_.please_exit();
}

void Drive::meet() {
    begin();
    session_.fetch_response("meet");
}

void Drive::calls() {
    echo(20);
    flip(kSmall, true);
    flip(kLarge, true);
    flip(kLarge, true);  // while the input before, and its answer, are held
    send_back(kLarge);
    from_shared_memory(kLarge);
    echo(kLarge);  // too long for a slot of the mailbox
    stream(3, 3);
    stream(9, 1);
    echo(20);
}

void Drive::some_calls() {
    echo(30);
    flip(kLarge, false);
    send_back(kLarge);
    echo(30);
}

void Drive::check_held() const {
    for (const auto& [tensor, bytes] : held_) expect(tensor, bytes, "a tensor held over the worker's death");
}

void Drive::echo(std::size_t bytes) {
    begin();
    const std::string text = std::to_string(seed_) + std::string(bytes, 'x');
    const std::string answer = session_.fetch_response("echo " + text);
    if (answer != text) throw Violation("expected the echo of '" + text.substr(0, 40) + "', got '" + answer + "'");
}

void Drive::flip(std::size_t bytes, bool hold) {
    begin();
    const auto input = pattern(seed_, bytes);
    const Tensor answer = session_.calculate("flip", TensorView(input.data(), shape_of(input)));
    expect(answer, flipped(input), "flip");
    if (hold) held_.emplace_back(answer, flipped(input));
    if (held_.size() > 4) held_.erase(held_.begin());
}

void Drive::send_back(std::size_t bytes) {
    begin();
    const auto input = pattern(seed_, bytes);
    expect(session_.calculate("back", TensorView(input.data(), shape_of(input))), input, "back");
}

void Drive::from_shared_memory(std::size_t bytes) {
    begin();
    const auto input = pattern(seed_, bytes);
    Tensor shared = session_.empty(shape_of(input), DType::UINT8, shared_);
    std::memcpy(shared.raw_data(), input.data(), input.size());
    held_.emplace_back(shared, input);
    session_.send_tensor(shared, shared_);
    expect(session_.fetch_tensor("flip " + shared_), flipped(input), "flip of shared memory");
}

/// The tensor goes into another tag first, so that threads of one session do not share one.
void Drive::stream(int parts, int taken) {
    begin();
    auto bytes = pattern(seed_, kLarge);
    auto frames = session_.stream("parts " + std::to_string(parts), {TensorView(bytes.data(), shape_of(bytes))});
    for (int part = 0; part < taken; ++part) {
        const auto frame = frames.next();
        bytes = flipped(std::move(bytes));
        if (!frame) throw Violation("a stream ended after " + std::to_string(part) + " parts");
        expect(*frame, bytes, "a part of a stream");
    }
    if (taken < parts) return;  // the end of `frames` cancels it
    const auto last = frames.next();
    if (!last) throw Violation("a stream ended without its last part");
    expect(*last, flipped(bytes), "the last part of a stream");
    if (frames.next()) throw Violation("a stream went on after its last part");
}

void Drive::expect(const Tensor& tensor, const std::vector<std::uint8_t>& bytes, const char* what) const {
    if (tensor.nbytes() != bytes.size() || std::memcmp(tensor.raw_data(), bytes.data(), bytes.size()) != 0)
        throw Violation(std::string(what) + ": not the bytes that were expected");
}

}  // namespace tr::faults
