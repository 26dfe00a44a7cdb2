#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "expectations.h"
#include "platform/directory_watch.h"
#include "platform/futex.h"
#include "tech_renaissance.h"

namespace tr::test {

namespace fs = std::filesystem;

inline std::string server(const std::string& name) {
    return std::string(TR_REPO_DIR) + "/tests/cpp/session/servers/" + name + ".py";
}

/// Whether a session on this operating system can be forced to wait so. A build for POSIX in general has neither futex
/// nor inotify.
inline bool available(WakeUp tier) {
    std::string reason;
    if (tier == WakeUp::futex) return platform::futex_available();
    if (tier == WakeUp::inotify) return platform::DirectoryWatch::open("/tmp", reason) != nullptr;
    return true;
}

#define TR_SKIP_UNLESS_AVAILABLE(tier) \
    if (!available(tier)) GTEST_SKIP() << "this build has no wake-up tier '" << to_string(tier) << "'"

/// A directory of its own for each test, removed with it. On tmpfs, as sessions are by default.
class Workspace {
  public:
    Workspace() {
        std::string name = fs::exists("/dev/shm") ? "/dev/shm/tr_test_XXXXXX" : "/tmp/tr_test_XXXXXX";
        path_ = ::mkdtemp(name.data());
    }
    ~Workspace() {
        // A worker that has lost its host may be removing the same files.
        std::error_code error;
        while (fs::exists(path_)) fs::remove_all(path_, error);
    }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

inline std::string read_text(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// What a test waits for without a handshake to wait on: looks again until it holds or ten seconds have passed.
inline bool eventually(const std::function<bool()>& holds) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!holds()) {
        if (std::chrono::steady_clock::now() > limit) return false;
        ::usleep(1000);
    }
    return true;
}

inline bool process_runs(std::int64_t pid) {
    return fs::exists("/proc/" + std::to_string(pid) + "/exe");
}

inline std::vector<pid_t> children_of(pid_t parent) {
    std::vector<pid_t> children;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const int pid = std::atoi(entry.path().filename().c_str());
        if (pid == 0) continue;
        const std::string stat = read_text(entry.path().string() + "/stat");  // "123 (name) S 122 ..."
        const auto name_end = stat.rfind(") ");
        if (name_end != std::string::npos && std::atoi(stat.c_str() + name_end + 4) == parent) children.push_back(pid);
    }
    return children;
}

/// Runs `use` in a fork of this process, which is ended when it hangs; whether it gave true.
inline bool in_a_fork(const std::function<bool()>& use) {
    const pid_t child = ::fork();
    if (child == 0) {
        constexpr unsigned kLimitSeconds = 30;
        ::alarm(kLimitSeconds);
        bool good = false;
        try {
            good = use();
        } catch (const std::exception& error) {
            std::fprintf(stderr, "in the fork: %s\n", error.what());
        }
        ::_exit(good ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// A FIFO that the worker's command `wait_for_fifo` blocks on until release().
class Gate {
  public:
    explicit Gate(const std::string& path) : path_(path) {
        if (::mkfifo(path.c_str(), 0600) != 0) throw std::runtime_error("mkfifo " + path);
    }
    /// Waits for somebody to have come to the gate, and fails when nobody ever does.
    /// @returns a descriptor that keeps it closed until it is closed
    int reached() const {
        int fd = -1;
        EXPECT_TRUE(eventually([&] { return (fd = ::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0; }));
        return fd;
    }
    void release(const std::string& text = "released") const {
        const int fd = reached();
        EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
        ::close(fd);
    }
    std::string command() const { return "wait_for_fifo " + path_; }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

class SessionTest : public testing::Test {
  protected:
    SessionOptions options(const std::string& script = "text_server") {
        SessionOptions result;
        result.script = script == "default" ? script : server(script);
        result.session_id = "test";
        result.workspace = workspace_.path();
        result.python = script == "numpy_server" ? TR_TEST_PYTHON : "/usr/bin/python3";
        result.quiet = true;
        result.default_timeout_ms = 20'000;
        return result;
    }
    Workspace workspace_;
};

/// On each of several wake-up tiers, those that are not there left out.
class TierTest : public SessionTest, public testing::WithParamInterface<WakeUp> {
  protected:
    void SetUp() override { TR_SKIP_UNLESS_AVAILABLE(GetParam()); }
    SessionOptions tier_options(const std::string& script) {
        auto result = options(script);
        result.wake_up = GetParam();
        result.python = TR_TEST_PYTHON;  // with numpy
        return result;
    }
    void begin(const SessionOptions& chosen) {
        session_ = std::make_unique<PythonSession>(chosen);
        session_->start();
        session_->wait_until_ready();
    }
    std::unique_ptr<PythonSession> session_;
};

inline std::string tier_name(const testing::TestParamInfo<WakeUp>& tier) {
    return to_string(tier.param);
}

}  // namespace tr::test
