#pragma once

#include <signal.h>

#include "support.h"

namespace tr::test {

/// Sessions with tests/cpp/session/servers/recovery_server.py, on each wake-up tier.
class RestartSupport : public SessionTest, public testing::WithParamInterface<WakeUp> {
  protected:
    void SetUp() override { TR_SKIP_UNLESS_AVAILABLE(GetParam()); }
    SessionOptions restarting(int attempts = 0, std::vector<std::string> idempotent = {}) {
        auto result = options("recovery_server");
        result.python = TR_TEST_PYTHON;  // with numpy
        result.wake_up = GetParam();
        result.restart.attempts = attempts;
        result.restart.backoff_ms = 1;
        result.restart.idempotent = std::move(idempotent);
        return result;
    }
    static void kill_worker(PythonSession& session) {
        ::kill(static_cast<pid_t>(session.stats().worker_pid), SIGKILL);
        session.join();
    }
};

}  // namespace tr::test
