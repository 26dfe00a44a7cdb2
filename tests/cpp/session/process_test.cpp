// What the session relies on in a process that it watches.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <future>
#include <set>
#include <system_error>

#include "platform/descriptors.h"
#include "platform/process.h"
#include "starved_of_threads.h"
#include "support.h"

namespace tr::test {
namespace {

using platform::Deadline;
using platform::Process;

TEST(ProcessTest, WhereNoThreadCanBeHadTheCallerKeepsItsSignals) {
    sigset_t before;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
    platform::SpawnOptions spawn;
    spawn.argv = {"/bin/true"};
    spawn.output_path = "/dev/null";
    {
        const StarvedOfThreads starved;
        EXPECT_THROW(Process::spawn(spawn, [] {}), std::system_error);
    }
    sigset_t after;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
    for (const int number : {SIGINT, SIGTERM, SIGUSR1})
        EXPECT_EQ(::sigismember(&after, number), ::sigismember(&before, number)) << number;
}

TEST(ProcessTest, WhileItIsReapedNobodyWaitsAndNothingIsSent) {
    if (!Process::can_adopt()) GTEST_SKIP() << "this system cannot watch a process that another one forked";
    const pid_t child = ::fork();
    if (child == 0)
        for (;;) ::pause();
    ::setpgid(child, child);
    std::promise<void> reaping;
    std::promise<void> go_on;
    const auto process = Process::adopt(
        child,
        [&] {
            reaping.set_value();
            go_on.get_future().wait();
            int raw = 0;
            ::waitpid(child, &raw, 0);
            return Process::decode_status(raw);
        },
        [] {});
    ::kill(child, SIGTERM);
    reaping.get_future().wait();
    auto asked = std::async(std::launch::async, [&] {
        process->terminate();
        return !process->status() && !process->wait(Deadline::after(1)) && process->alive();
    });
    const bool at_once = asked.wait_for(std::chrono::seconds(5)) == std::future_status::ready;
    go_on.set_value();
    EXPECT_TRUE(at_once);
    EXPECT_TRUE(!at_once || asked.get());
    EXPECT_TRUE(process->wait(Deadline::never()));
    EXPECT_EQ(process->status()->signal, SIGTERM);
}

/// Those of 3 and more that would be open in a program that a fork of this one runs.
std::set<int> left_open(void (*close_from)(int)) {
    std::array<int, 2> report{};
    EXPECT_EQ(::pipe2(report.data(), O_CLOEXEC), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        close_from(3);
        for (int descriptor = 3; descriptor < 1000; ++descriptor) {
            const int flags = ::fcntl(descriptor, F_GETFD);
            if (flags >= 0 && (flags & FD_CLOEXEC) == 0 &&
                ::write(report[1], &descriptor, sizeof descriptor) != sizeof descriptor)
                ::_exit(1);
        }
        ::_exit(0);
    }
    ::close(report[1]);
    std::set<int> found;
    for (int descriptor = 0; ::read(report[0], &descriptor, sizeof descriptor) == sizeof descriptor;)
        found.insert(descriptor);
    ::close(report[0]);
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    return found;
}

TEST(ProcessTest, NoDescriptorIsLeftToTheNextProgram) {
    std::array<int, 3> mine{};
    for (int& descriptor : mine) descriptor = ::open("/dev/null", O_RDONLY);
    const int high = ::fcntl(mine[0], F_DUPFD, 500);
    EXPECT_GE(left_open([](int) {}).size(), 4U);
    EXPECT_EQ(left_open(platform::close_on_exec_from), std::set<int>());
    EXPECT_EQ(left_open(platform::close_each_on_exec_from), std::set<int>());
    for (const int descriptor : mine) ::close(descriptor);
    ::close(high);
}

class DescriptorsTest : public SessionTest, public ::testing::WithParamInterface<bool> {};

TEST_P(DescriptorsTest, WhatTheProgramClosesIsClosed) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    const int listening = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(listening, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listening, 1), 0);
    socklen_t length = sizeof address;
    ASSERT_EQ(::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &length), 0);

    auto quick = options();
    quick.python = TR_TEST_PYTHON;
    quick.quick_start = GetParam();
    quick.preload = {"json"};
    PythonSession session(quick);
    session.start();
    EXPECT_EQ(session.fetch_response("echo x"), "x");
    ::close(pipe[1]);
    ::close(listening);
    char nothing = 0;
    EXPECT_EQ(::read(pipe[0], &nothing, 1), 0) << "the worker, its template or the guardian has the other end open";
    ::close(pipe[0]);
    const int caller = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_NE(::connect(caller, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::bind(caller, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << "the port is still taken";
    ::close(caller);
}

INSTANTIATE_TEST_SUITE_P(Starts, DescriptorsTest, ::testing::Bool(),
                         [](const auto& tested) { return tested.param ? "template" : "plain"; });

}  // namespace
}  // namespace tr::test
