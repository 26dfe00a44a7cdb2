// The handler for SIGBUS beside others: a file of ours that is cut short is ours, every other fault is theirs.
#include <sys/mman.h>

#include <atomic>
#include <csignal>
#include <memory>

#include "platform/mapping_guard.h"
#include "support.h"

namespace tr::test {
namespace {

std::atomic<int> reached{0};

/// Memory over a file that has been cut short.
char* lost_memory(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT, 0600);
    if (::ftruncate(fd, 4096) != 0) std::abort();
    void* memory = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (::ftruncate(fd, 0) != 0) std::abort();
    ::close(fd);
    return static_cast<char*>(memory);
}

/// What a program of its own does with the fault: a page of its own.
void repair(int, siginfo_t* info, void*) {
    ++reached;
    auto* page = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(info->si_addr) & ~std::uintptr_t{4095});
    ::mmap(page, 4096, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

void leave(int) {
    ::_exit(7);
}

class MappingGuardTest : public testing::Test {
  protected:
    void SetUp() override { ::sigaction(SIGBUS, nullptr, &before_); }
    void TearDown() override { ::sigaction(SIGBUS, &before_, nullptr); }
    void expect_ours_and_theirs() {
        char* const ours = lost_memory(workspace_.path() + "/ours");
        const platform::MappingGuard guard(ours, 4096, workspace_.path() + "/ours");
        reached = 0;
        EXPECT_EQ(const_cast<const volatile char*>(ours)[17], 0);
        EXPECT_EQ(platform::take_damage(workspace_.path()), workspace_.path() + "/ours");
        EXPECT_EQ(reached, 0);
        EXPECT_EQ(const_cast<const volatile char*>(lost_memory(workspace_.path() + "/theirs"))[17], 0);
        EXPECT_EQ(reached, 1);
        EXPECT_EQ(platform::take_damage(workspace_.path()), "");
    }
    static void handle(void (*handler)(int, siginfo_t*, void*)) {
        struct sigaction action{};
        action.sa_sigaction = handler;
        action.sa_flags = SA_SIGINFO;
        ::sigaction(SIGBUS, &action, nullptr);
    }
    Workspace workspace_;
    struct sigaction before_{};
};

TEST_F(MappingGuardTest, AHandlerThatWasThereBefore) {
    handle(&repair);
    expect_ours_and_theirs();
}

TEST_F(MappingGuardTest, AHandlerThatCameBetweenTwoMappings) {
    const std::string path = workspace_.path() + "/first";
    char* const first = lost_memory(path);
    const platform::MappingGuard guard(first, 4096, path);
    handle(&repair);
    expect_ours_and_theirs();
    EXPECT_EQ(const_cast<const volatile char*>(first)[17], 0);
    EXPECT_EQ(reached, 1) << "the first mapping is still ours";
}

TEST_F(MappingGuardTest, AHandlerThatCameLastAndCallsTheOneBefore) {
    const std::string path = workspace_.path() + "/first";
    char* const first = lost_memory(path);
    const platform::MappingGuard guard(first, 4096, path);
    static struct sigaction ours;
    ::sigaction(SIGBUS, nullptr, &ours);
    handle([](int signal, siginfo_t* info, void* context) {
        ++reached;
        ours.sa_sigaction(signal, info, context);
    });
    reached = 0;
    EXPECT_EQ(const_cast<const volatile char*>(first)[17], 0);
    EXPECT_EQ(reached, 1);
    EXPECT_EQ(platform::take_damage(workspace_.path()), path);
}

using MappingGuardDeathTest = MappingGuardTest;

TEST_F(MappingGuardDeathTest, FaultsOfOthersEndInTheDefaultOrInAPlainHandler) {
    const std::string path = workspace_.path() + "/ours";
    const auto die = [&](void (*handler)(int), bool raised) {
        ::signal(SIGBUS, handler);
        const platform::MappingGuard guard(lost_memory(path), 4096, path);
        if (raised) ::raise(SIGBUS);
        const volatile char* const theirs = lost_memory(workspace_.path() + "/theirs");
        ::_exit(theirs[17] == 0 ? 1 : 2);
    };
    for (const bool raised : {false, true}) {
        EXPECT_EXIT(die(SIG_DFL, raised), testing::KilledBySignal(SIGBUS), "");
        EXPECT_EXIT(die(&leave, raised), testing::ExitedWithCode(7), "");
        EXPECT_EXIT(die(SIG_IGN, raised), testing::KilledBySignal(SIGBUS), "") << "a fault cannot be ignored";
    }
}

}  // namespace
}  // namespace tr::test
