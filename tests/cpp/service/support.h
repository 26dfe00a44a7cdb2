#pragma once

#include <signal.h>

#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "../session/support.h"
#include "tech_renaissance/service/pool.h"

namespace tr::test {

/// Pools with tests/cpp/service/servers/pool_server.py.
class PoolTest : public SessionTest {
  protected:
    PoolOptions pool_options(int workers = 2) {
        PoolOptions made;
        made.session = options();
        made.session.script = std::string(TR_REPO_DIR) + "/tests/cpp/service/servers/pool_server.py";
        made.session.python = TR_TEST_PYTHON;  // with numpy
        made.session.session_id = "pool";
        made.session.restart.backoff_ms = 1;
        made.session.restart.max_backoff_ms = 50;
        made.workers = workers;
        return made;
    }
    std::string path(const std::string& name) const { return workspace_.path() + "/" + name; }

    static std::int64_t pid_of(const Pool& pool, std::size_t worker) { return pool.stats().workers.at(worker).pid; }
    static void kill_worker(std::int64_t pid) {
        ASSERT_GT(pid, 0);
        ::kill(static_cast<pid_t>(pid), SIGKILL);
    }
    static std::set<std::int64_t> pids(const Pool& pool) {
        std::set<std::int64_t> all;
        for (const auto& worker : pool.stats().workers) all.insert(worker.pid);
        return all;
    }
    static bool all_serve(const Pool& pool) {
        for (const auto& worker : pool.stats().workers)
            if (worker.state != "ready" && worker.state != "busy") return false;
        return true;
    }
    static Tensor number(double value) { return Tensor::full(Shape(3), value); }
    static double first_of(const Tensor& tensor) { return static_cast<double>(tensor.data<float>()[0]); }
};

/// A thread that ends with the test.
class Beside {
  public:
    template <class Call>
    explicit Beside(Call call) : thread_(std::move(call)) {}
    ~Beside() { join(); }
    void join() {
        if (thread_.joinable()) thread_.join();
    }
    Beside(const Beside&) = delete;
    Beside& operator=(const Beside&) = delete;

  private:
    std::thread thread_;
};

}  // namespace tr::test
