// What the session relies on in a process that it watches.
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include <future>
#include <system_error>

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

}  // namespace
}  // namespace tr::test
