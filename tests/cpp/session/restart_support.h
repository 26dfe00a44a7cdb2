#pragma once

#include <signal.h>

#include "support.h"

namespace tr::test {

/// Sessions with tests/cpp/session/servers/recovery_server.py.
class RestartSupport : public TierTest {
  protected:
    SessionOptions restarting(int attempts = 0, std::vector<std::string> idempotent = {}) {
        auto result = tier_options("recovery_server");
        result.restart.attempts = attempts;
        result.restart.backoff_ms = 1;
        result.restart.idempotent = std::move(idempotent);
        return result;
    }
    static void kill_worker(PythonSession& session) {
        ::kill(static_cast<pid_t>(session.stats().worker_pid), SIGKILL);
        session.join();
    }
    static void remove_directory(const PythonSession& session) {
        std::error_code error;  // the worker may be writing there
        while (fs::exists(session.session_dir())) fs::remove_all(session.session_dir(), error);
    }
};

}  // namespace tr::test
