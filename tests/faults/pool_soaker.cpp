#include <algorithm>
#include <cstdio>
#include <string>

#include "soak.h"

namespace tr::faults {
namespace {

Tensor rows_of(std::mt19937_64& random, bool bad) {
    const auto count = static_cast<std::int64_t>(1 + random() % 40);
    const auto width = static_cast<std::int64_t>(1 + random() % 4);
    Tensor rows = Tensor::empty(Shape(count, width), DType::INT64);
    for (std::int64_t i = 0; i < rows.numel(); ++i)
        rows.data<std::int64_t>()[i] = static_cast<std::int64_t>(random() >> 8 & 0xFFFF'FFFF);
    if (bad) rows.data<std::int64_t>()[0] = -1;
    return rows;
}

void require_tripled(const Tensor& found, const Tensor& rows) {
    if (found.shape() != rows.shape()) throw Violation("the rows of another call");
    for (std::int64_t i = 0; i < rows.numel(); ++i)
        if (found.data<std::int64_t>()[i] != 3 * rows.data<std::int64_t>()[i])
            throw Violation("the rows of another call");
}

}  // namespace

PoolOptions soak_pool_options(SessionOptions session, bool repeats) {
    constexpr int kAtOnce = 4;  // so that batches form
    PoolOptions options;
    options.session = std::move(session);
    options.session.script = std::string(TR_REPO_DIR) + "/tests/faults/soak_pool_server.py";
    options.session.max_ongoing_requests = kAtOnce;
    options.session.restart.attempts = 1000;
    options.session.restart.max_backoff_ms = 100;
    options.workers = 2;
    options.on_death = repeats ? PoolOptions::OnDeath::repeat : PoolOptions::OnDeath::fail;
    options.max_repeats = 100;
    return options;
}

void PoolSoaker::one_request() {
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
    } catch (const RetryError& error) {
        // A future that was cancelled.
        ++(error.code() == ErrorCode::cancelled ? progress_.failed : progress_.wrong);
    } catch (const std::exception& error) {
        ++progress_.wrong;
        std::fprintf(stderr, "soak: of a pool: %s\n", error.what());
    }
}

void PoolSoaker::request() {
    const Tensor rows = rows_of(random_, false);
    switch (random_() % 8) {
        case 0: {
            const std::string text = std::to_string(random_());
            if (pool_.fetch_response("echo " + text) != text) throw Violation("the echo of another call");
            return;
        }
        case 1: {
            auto future = pool_.with_priority(static_cast<int>(random_() % 3)).submit("copy", {rows});
            if (random_() % 4 == 0) future.cancel();
            if (!future.get().equal(rows)) throw Violation("another tensor came back than was sent");
            return;
        }
        case 2:
            return map(rows);
        case 3: {
            std::size_t parts = 0;
            for (const Tensor& part : pool_.stream("repeat 3", {rows})) {
                if (!part.equal(rows)) throw Violation("the part of another stream");
                ++parts;
            }
            if (parts != 4) throw Violation("a stream ended too soon");
            return;
        }
        case 4: {  // the others of its batch are not to hear of it
            pool_.call("triple", rows_of(random_, true));
            throw Violation("a call that fails was answered");
        }
        default:
            require_tripled(pool_.call("triple", rows).tensor(), rows);
    }
}

void PoolSoaker::map(const Tensor& rows) {
    const std::vector<Tensor> inputs(1 + random_() % 6, rows);
    std::size_t count = 0;
    for (const Tensor& found : pool_.map("copy", inputs)) {
        if (!found.equal(rows)) throw Violation("a map has given another tensor");
        ++count;
    }
    if (count != inputs.size()) throw Violation("a map ended too soon");
}

}  // namespace tr::faults
