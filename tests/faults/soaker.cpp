#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "soak.h"

namespace tr::faults {
namespace {

constexpr std::size_t kMostBytes = 24U << 20;
constexpr std::size_t kMostText = 200'000;  // some go through the mailbox, some through files

}  // namespace

Progress& map_progress(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    void* memory = ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (memory == MAP_FAILED) throw Violation("the progress file '" + path + "' cannot be mapped");
    return *static_cast<Progress*>(memory);
}

/// Sent, and then answered, refused by the server, or failed with a reason: nothing else is in order.
void Soaker::one_request() {
    ++progress_.sent;
    try {
        request();
        ++progress_.answered;
    } catch (const RemoteError&) {
        ++progress_.refused;
    } catch (const TimeoutError& error) {
        ++progress_.timed_out;
        std::fprintf(stderr, "soak: %s\n", error.what());
    } catch (const RestartError&) {
        ++progress_.failed;
        restart();
    } catch (const NotFoundError&) {
        ++progress_.failed;  // a start that failed took the tags with it
    } catch (const std::exception& error) {
        if (std::string(error.what()).find("has no worker: call start() first") != std::string::npos) {
            ++progress_.failed;
            return restart();
        }
        ++progress_.wrong;
        std::fprintf(stderr, "soak: %s\n", error.what());
    }
}

void Soaker::restart() {
    try {
        session_.start();
        ++progress_.restarts;
    } catch (const InputError&) {
        // Another thread was quicker.
    } catch (const RestartError&) {
        // Killed while it came up.
    }
}

void Soaker::request() {
    switch (below(8)) {
        case 0:
        case 1:
            return echo();
        case 2:
        case 3:
            return send_back();
        case 4:
            return asynchronously();
        case 5:
            return from_shared_memory();
        case 6:
            return stream();
        default:
            return fail();
    }
}

/// Any dtype and rank; mostly small, now and then empty, or tens of megabytes.
Tensor Soaker::random_tensor() {
    const auto dtype = static_cast<DType>(1 + below(17));
    std::vector<std::int64_t> dims(below(7));
    std::size_t most = std::size_t{1} << (4 + below(17));
    if (below(100) == 0) most = kMostBytes;
    std::size_t left = std::max<std::size_t>(1, most / dtype_size(dtype));
    for (auto& dim : dims) {
        dim = static_cast<std::int64_t>(below(40) == 0 ? 0 : 1 + below(left));
        left = std::max<std::size_t>(1, left / std::max<std::size_t>(1, static_cast<std::size_t>(dim)));
    }
    Tensor tensor = Tensor::empty(Shape(dims), dtype);
    auto* bytes = static_cast<std::uint8_t*>(tensor.raw_data());
    const auto contents = pattern(random_(), tensor.nbytes());
    if (!contents.empty()) std::memcpy(bytes, contents.data(), contents.size());
    if (dtype == DType::BOOL)
        for (std::size_t i = 0; i < tensor.nbytes(); ++i) bytes[i] &= 1;
    progress_.bytes += tensor.nbytes();
    return tensor;
}

void Soaker::require_equal(const Tensor& found, const Tensor& expected) {
    const bool same = found.dtype() == expected.dtype() && found.shape() == expected.shape() &&
                      (found.nbytes() == 0 || std::memcmp(found.raw_data(), expected.raw_data(), found.nbytes()) == 0);
    if (!same) throw Violation("another tensor came back than was sent");
}

void Soaker::echo() {
    const std::string text = std::to_string(random_()) + std::string(below(2) == 0 ? 0 : below(kMostText), 'x');
    if (session_.fetch_response("echo " + text) != text) throw Violation("another text came back than was sent");
}

void Soaker::send_back() {
    std::vector<Tensor> tensors;
    for (std::size_t i = 0; i <= below(3); ++i) tensors.push_back(random_tensor());
    const std::vector<TensorView> views(tensors.begin(), tensors.end());
    const auto found = session_.calculate_many(below(2) == 0 ? "back" : "copy", views);
    if (found.size() != tensors.size()) throw Violation("another number of tensors came back than was sent");
    for (std::size_t i = 0; i < found.size(); ++i) require_equal(found[i], tensors[i]);
}

void Soaker::asynchronously() {
    const Tensor first = random_tensor();
    const Tensor second = random_tensor();
    auto one = session_.calculate_async("copy", {first});
    auto other = session_.calculate_async("back", {second});
    // Both are waited for, whatever becomes of the first.
    one.wait();
    other.wait();
    require_equal(one.get(), first);
    require_equal(other.get(), second);
}

/// Under a tag of this thread's own; the contents may change until it is sent, so it is filled first.
void Soaker::from_shared_memory() {
    const Tensor contents = random_tensor();
    Tensor shared = session_.empty(contents.shape(), contents.dtype(), tag_);
    if (contents.nbytes() > 0) std::memcpy(shared.raw_data(), contents.raw_data(), contents.nbytes());
    session_.send_tensor(shared, tag_);
    require_equal(session_.fetch_tensor("copy " + tag_), contents);
}

void Soaker::stream() {
    const Tensor frame = random_tensor();
    const auto parts = below(6);
    auto frames = session_.stream("repeat " + std::to_string(parts), {frame});
    for (std::size_t part = 0; part <= parts; ++part) {
        if (below(12) == 0) {
            ++progress_.streams_cancelled;
            return;  // the end of `frames` cancels it
        }
        const auto found = frames.next();
        if (!found) throw Violation("a stream ended too soon");
        require_equal(*found, frame);
    }
    if (frames.next()) throw Violation("a stream went on after its last part");
}

void Soaker::fail() {
    const std::string text = std::to_string(random_());
    try {
        session_.fetch_response("fail " + text);
    } catch (const RemoteError& error) {
        if (std::string(error.what()).find(text) == std::string::npos) throw Violation("the error of another request");
        throw;
    }
    throw Violation("a request that fails was answered");
}

}  // namespace tr::faults
