// The directory of a live session is removed, as by a cleaner of temporary files: who is told what, and what starts.
#include <algorithm>

#include "restart_support.h"

namespace tr::test {
namespace {

class RemovedDirectory : public RestartSupport {
  protected:
    std::unique_ptr<PythonSession> started(int attempts = 0) {
        auto session = std::make_unique<PythonSession>(restarting(attempts));
        session->start();
        session->wait_until_ready();
        return session;
    }
    static float sum(PythonSession& session, std::int64_t length) {
        return session.calculate("sum", Tensor::ones(Shape(length))).data<float>()[0];
    }
    /// What is there of sessions, dead or alive.
    std::vector<std::string> sessions() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(workspace_.path() + "/python_session"))
            if (entry.path().filename() != ".lock") names.push_back(entry.path().filename());
        return names;
    }
    static std::ptrdiff_t open_descriptors() {
        return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
    }
};

// ------------------------------------------------------------------------------------------------- without a policy

TEST_P(RemovedDirectory, IsARestartErrorAndTheNextStartMakesAnother) {
    const auto session = started();
    const Tensor held = session->calculate("sum", Tensor::ones(Shape(100)));
    const auto worker = session->stats().worker_pid;
    remove_directory(*session);
    const auto error = expect_throw<RestartError>([&] { sum(*session, 200); });
    EXPECT_TRUE(contains(error.what(), "removed"));
    EXPECT_TRUE(contains(error.what(), "start() makes a new one"));
    EXPECT_TRUE(error.may_retry()) << error.what();
    EXPECT_TRUE(expect_throw<RestartError>([&] { session->send_tensor(Tensor::ones(Shape(5)), "x"); }).may_retry());
    session->start();
    EXPECT_FALSE(process_runs(worker));
    EXPECT_EQ(sum(*session, 200), 200);
    EXPECT_EQ(held.data<float>()[19'999], 100);
    EXPECT_EQ(sessions(), std::vector<std::string>{"tr_session_test"});
}

TEST_P(RemovedDirectory, OfADeadWorkerAndWithItsWorkspaceIsMadeAnew) {
    const auto session = started();
    session->terminate();
    fs::remove_all(workspace_.path() + "/python_session");
    const auto error = expect_throw<RestartError>([&] { session->fetch_response("echo a"); });
    EXPECT_TRUE(contains(error.what(), "removed"));
    EXPECT_TRUE(error.may_retry());
    session->restart();
    EXPECT_EQ(sum(*session, 3), 3);
}

TEST_P(RemovedDirectory, ThatAnotherHasTakenIsLeftAlone) {
    auto session = started();
    const std::string directory = session->session_dir();
    const auto worker = session->stats().worker_pid;
    remove_directory(*session);
    fs::create_directories(directory);
    std::ofstream(directory + "/session.lock") << "";
    session.reset();
    EXPECT_FALSE(process_runs(worker));
    EXPECT_TRUE(fs::exists(directory + "/session.lock"));
}

// ---------------------------------------------------------------------------------------------------- with a policy

TEST_P(RemovedDirectory, ThePolicyMakesAnotherAndLeavesNothingBehind) {
    const auto session = started(1);
    const Tensor held = session->calculate("sum", Tensor::ones(Shape(100)));
    Tensor shared = session->empty(Shape(300), DType::FP32, "a");
    std::fill_n(shared.data<float>(), shared.numel(), 1.0F);
    const auto descriptors = open_descriptors();
    for (int round = 1; round <= 2; ++round) {
        const auto worker = session->stats().worker_pid;
        remove_directory(*session);
        EXPECT_EQ(sum(*session, 1000 + round), 1000 + round);
        EXPECT_EQ(session->calculate("sum", shared).data<float>()[0], 300);
        EXPECT_FALSE(process_runs(worker));
        EXPECT_EQ(session->stats().epoch, 1U + round);
        EXPECT_EQ(sessions(), std::vector<std::string>{"tr_session_test"});
        EXPECT_EQ(open_descriptors(), descriptors);
    }
    EXPECT_EQ(held.data<float>()[19'999], 100);
    EXPECT_EQ(session->fetch_response("echo x"), "x");
}

TEST_P(RemovedDirectory, ARequestByHandAndAStreamFindAWorker) {
    const auto session = started(1);
    remove_directory(*session);
    session->send_request("echo by hand");
    EXPECT_EQ(session->wait_for_response(), "by hand");
    remove_directory(*session);
    std::size_t frames = 0;
    for (const auto& frame : session->stream("frames 3", {Tensor::ones(Shape(17))}))
        EXPECT_EQ(frame.data<float>()[0], static_cast<float>(frames++));
    EXPECT_EQ(frames, 3U);
}

TEST_P(RemovedDirectory, AnotherThatCannotBeMadeIsTriedAgainByTheNextCall) {
    for (const int attempts : {0, 1}) {
        const auto session = started(attempts);
        const std::string parent = workspace_.path() + "/python_session";
        std::error_code ignored;
        while (fs::exists(parent)) fs::remove_all(parent, ignored);
        std::ofstream(parent) << "in the way";
        EXPECT_THROW(attempts == 0 ? session->restart() : (void)sum(*session, 200), InputError);
        const auto error = [&] { sum(*session, 200); };
        if (attempts == 0)
            EXPECT_TRUE(expect_throw<RestartError>(error).may_retry());
        else
            EXPECT_THROW(error(), InputError);
        EXPECT_FALSE(session->is_alive());
        fs::remove(parent);
        if (attempts == 0) session->restart();
        EXPECT_EQ(sum(*session, 200), 200);
    }
}

INSTANTIATE_TEST_SUITE_P(Tiers, RemovedDirectory, testing::Values(WakeUp::futex, WakeUp::inotify, WakeUp::polling),
                         tier_name);

}  // namespace
}  // namespace tr::test
