// Processes, files and locks as the session relies on them on Windows. The child programs are tests of this program.
#include "platform/win32.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <thread>

#include "expectations.h"
#include "platform/file.h"
#include "platform/host.h"
#include "platform/process.h"

namespace tr::test {
namespace {

namespace fs = std::filesystem;
using platform::Deadline;
using platform::Process;

std::string read_text(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

class WindowsTest : public testing::Test {
  protected:
    void SetUp() override {
        int count = 0;
        do place_ = (fs::temp_directory_path() / ("tr test " + std::to_string(count++))).string();
        while (!platform::make_private_directory(place_));
    }
    void TearDown() override { platform::remove_tree(place_); }

    std::string file(const std::string& name) const { return place_ + "/" + name; }

    /// This program, about to run one of the disabled tests below.
    platform::SpawnOptions child(const std::string& test) const {
        platform::SpawnOptions options;
        options.argv = {platform::library_file(), "--gtest_filter=Child.DISABLED_" + test,
                        "--gtest_also_run_disabled_tests"};
        options.environment = platform::environment();
        options.environment.push_back("TR_TEST_PLACE=" + place_);
        options.output_path = file("log");
        return options;
    }

    /// Waits for a file that a child writes.
    std::string told(const std::string& name) const {
        for (const auto end = Deadline::after(20'000);;) {
            const auto text = platform::read_file(file(name), 1000);
            if (text || end.passed()) return text.value_or("nothing");
            std::this_thread::yield();
        }
    }

    std::string place_;
};

void tell(const std::string& name, const std::string& text) {
    platform::write_atomic(platform::environment_variable("TR_TEST_PLACE") + "/" + name, text);
}

void wait_for_ever() {
    tell("pid", std::to_string(platform::process_id()));
    std::promise<void>().get_future().wait();
}

TEST(Child, DISABLED_ExitsWith3) {
    std::_Exit(3);
}

TEST(Child, DISABLED_TellsWhatItWasGiven) {
    std::string text;
    for (int i = 3; i < __argc; ++i) text += std::string(__argv[i]) + "\n";
    tell("given", text + platform::environment_variable("TR_TEST_ODD") + "\n" + fs::current_path().filename().string());
    std::puts("printed");
}

TEST(Child, DISABLED_WaitsForEver) {
    wait_for_ever();
}

TEST(Child, DISABLED_StartsOneThatWaits) {
    platform::SpawnOptions options;
    options.argv = {platform::library_file(), "--gtest_filter=Child.DISABLED_WaitsForEver",
                    "--gtest_also_run_disabled_tests"};
    options.environment = platform::environment();
    options.output_path = "NUL";
    const auto grandchild = Process::spawn(options, [] {});
    std::promise<void>().get_future().wait();
}

TEST_F(WindowsTest, AnExitCodeIsTold) {
    std::promise<void> ended;
    const auto process = Process::spawn(child("ExitsWith3"), [&] { ended.set_value(); });
    EXPECT_GT(process->pid(), 0);
    ended.get_future().wait();
    ASSERT_TRUE(process->status());
    EXPECT_EQ(process->status()->code, 3);
    EXPECT_EQ(process->status()->describe(), "exited with code 3");
    EXPECT_TRUE(process->wait(Deadline::after(0)));
    process->terminate();
    process->kill();
    EXPECT_FALSE(process->alive());
}

TEST_F(WindowsTest, WordsVariablesAndTheDirectoryArriveAsTheyAre) {
    auto options = child("TellsWhatItWasGiven");
    const std::vector<std::string> odd{"two words", "a \"quoted\" one", "back\\slash\\", "\\\" \\\\\"", "", "%PATH%",
                                       "&|"};
    options.argv.insert(options.argv.end(), odd.begin(), odd.end());
    options.environment.push_back("TR_TEST_ODD=a=b c");
    platform::make_private_directory(file("inside"));
    options.working_directory = file("inside");
    EXPECT_TRUE(Process::spawn(options, [] {})->wait(Deadline::after(20'000)));
    std::string expected;
    for (const auto& word : odd) expected += word + "\n";
    EXPECT_EQ(told("given"), expected + "a=b c\ninside");
}

TEST_F(WindowsTest, WhatIsPrintedIsAppended) {
    platform::write_atomic(file("log"), "before\n");
    EXPECT_TRUE(Process::spawn(child("TellsWhatItWasGiven"), [] {})->wait(Deadline::after(20'000)));
    const std::string log = read_text(file("log"));
    EXPECT_EQ(log.find("before"), 0U);
    EXPECT_TRUE(contains(log, "printed"));
}

TEST_F(WindowsTest, AProgramThatIsNotThereIsNamed) {
    auto options = child("ExitsWith3");
    options.argv[0] = file("none.exe");
    try {
        Process::spawn(options, [] {});
        FAIL() << "no exception";
    } catch (const std::system_error& error) {
        EXPECT_TRUE(contains(error.what(), "running '" + file("none.exe") + "'"));
    }
    options = child("ExitsWith3");
    options.working_directory = file("none");
    EXPECT_THROW(Process::spawn(options, [] {}), std::system_error);
}

TEST_F(WindowsTest, AProcessIsKilledWithAllThatItHasStarted) {
    const auto process = Process::spawn(child("StartsOneThatWaits"), [] {});
    const std::int64_t grandchild = std::stoll(told("pid"));
    EXPECT_TRUE(platform::process_lives(grandchild));
    EXPECT_FALSE(process->wait(Deadline::after(1)));
    process->kill();
    EXPECT_TRUE(process->wait(Deadline::after(20'000)));
    EXPECT_EQ(process->status()->describe(), "was ended by its host");
    while (platform::process_lives(grandchild)) std::this_thread::yield();
}

TEST_F(WindowsTest, AProcessDoesNotOutliveTheOneThatStartedIt) {
    const auto process = Process::spawn(child("StartsOneThatWaits"), [] {});
    const std::int64_t grandchild = std::stoll(told("pid"));
    const platform::UniqueHandle host(::OpenProcess(PROCESS_TERMINATE, FALSE, static_cast<DWORD>(process->pid())));
    ASSERT_TRUE(::TerminateProcess(host.get(), 9));
    EXPECT_TRUE(process->wait(Deadline::after(20'000)));
    EXPECT_EQ(process->status()->describe(), "exited with code 9");
    while (platform::process_lives(grandchild)) std::this_thread::yield();
}

TEST_F(WindowsTest, AskingAProcessToEndEndsIt) {
    const auto process = Process::spawn(child("WaitsForEver"), [] {});
    told("pid");
    process->terminate();
    EXPECT_TRUE(process->wait(Deadline::after(20'000)));
}

TEST_F(WindowsTest, AProcessIsKnownByItsStart) {
    const std::int64_t self = platform::process_id();
    EXPECT_TRUE(platform::process_lives(self));
    EXPECT_EQ(platform::process_start_time(self), platform::process_start_time(self));
    EXPECT_FALSE(platform::process_start_time(self).empty());
    const auto process = Process::spawn(child("WaitsForEver"), [] {});
    EXPECT_NE(platform::process_start_time(process->pid()), platform::process_start_time(self));
    process->kill();
    process->wait(Deadline::never());
    EXPECT_FALSE(platform::process_lives(process->pid()));
    EXPECT_EQ(platform::process_start_time(process->pid()), "");
    EXPECT_FALSE(platform::process_lives(0));
}

TEST_F(WindowsTest, ALockExcludesOthersUntilItIsReleased) {
    auto lock = platform::FileLock::try_acquire(file("lock"));
    EXPECT_TRUE(lock);
    EXPECT_FALSE(platform::FileLock::try_acquire(file("lock")));
    auto moved = std::move(lock);
    EXPECT_FALSE(platform::FileLock::try_acquire(file("lock")));
    moved.release();
    EXPECT_TRUE(platform::FileLock::acquire(file("lock")));
}

TEST_F(WindowsTest, AFileIsReplacedAndRemovedWhileItIsRead) {
    platform::write_atomic(file("a"), "old");
    const auto mapped = platform::map_private(file("a"));
    ASSERT_TRUE(mapped);
    platform::write_atomic(file("a"), "new", "er");
    EXPECT_EQ(std::string_view(static_cast<const char*>(mapped->memory.get()), 3), "old");
    EXPECT_EQ(platform::read_file(file("a"), 10), "newer");
    EXPECT_THROW(platform::read_file(file("a"), 4), std::system_error);
    EXPECT_TRUE(platform::remove_file(file("a")));
    EXPECT_FALSE(platform::remove_file(file("a")));
    EXPECT_FALSE(platform::read_file(file("a"), 10));
}

TEST_F(WindowsTest, ANameIsFreeOnceItIsRemovedThoughAPeerLooksAtTheFile) {
    platform::write_atomic(file("a"), "old");
    const platform::UniqueHandle peer(::CreateFileW(platform::widen(file("a")).c_str(), FILE_READ_ATTRIBUTES,
                                                    platform::kShareAll, nullptr, OPEN_EXISTING, 0, nullptr));
    ASSERT_TRUE(peer);
    EXPECT_TRUE(platform::remove_file(file("a")));
    EXPECT_FALSE(platform::read_file(file("a"), 10));
    EXPECT_FALSE(platform::file_exists(file("a")));
    platform::write_atomic(file("a"), "new");
    EXPECT_EQ(platform::read_file(file("a"), 10), "new");
}

TEST_F(WindowsTest, AFileIsReplacedAsSoonAsAPeerClosesIt) {
    platform::write_atomic(file("a"), "old");
    // As Python opens files: nobody may remove it meanwhile.
    platform::UniqueHandle peer(::CreateFileW(platform::widen(file("a")).c_str(), GENERIC_READ,
                                              FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_EXISTING, 0, nullptr));
    ASSERT_TRUE(peer);
    auto writing = std::async(std::launch::async, [&] { platform::write_atomic(file("a"), "new"); });
    EXPECT_EQ(writing.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
    peer.reset();
    writing.get();
    EXPECT_EQ(platform::read_file(file("a"), 10), "new");
}

TEST_F(WindowsTest, WhatIsNoRegularFileIsRefused) {
    platform::make_private_directory(file("folder"));
    EXPECT_THROW(platform::read_file(file("folder"), 10), std::system_error);
    EXPECT_FALSE(platform::identify(file("folder")));
    platform::write_atomic(file("folder/a"), "x");
    platform::link_file(file("folder/a"), file("b"));
    EXPECT_EQ(platform::identify(file("b"))->links, 2U);
    EXPECT_EQ(platform::identify(file("b"))->inode, platform::identify(file("folder/a"))->inode);
    platform::remove_anything(file("folder"));
    EXPECT_FALSE(platform::file_exists(file("folder")));
}

TEST_F(WindowsTest, FactsAreTold) {
    EXPECT_EQ(platform::user_id().find("S-1-"), 0U);
    EXPECT_FALSE(platform::make_private_directory(place_));
    EXPECT_EQ(platform::why_not_private(place_), "");
    EXPECT_TRUE(fs::is_directory(platform::temporary_directory()));
    EXPECT_GT(platform::free_bytes(place_), 0U);
    EXPECT_TRUE(contains(platform::find_executable("cmd"), "cmd"));
    EXPECT_EQ(platform::find_executable("no such program"), "");
    platform::write_atomic(file("text"), "one\ntwo\nthree\n");
    EXPECT_EQ(platform::read_tail(file("text"), 8), "three\n");
}

}  // namespace
}  // namespace tr::test
