// The names of tensor files: what one side changes, the other sees, and nothing else is looked up twice.
#include "channel/file_names.h"

#include <utility>

#include "support.h"

namespace tr::test {
namespace {

using channel::FileNames;
using channel::Mailbox;

class SharedNames : public ::testing::Test {
  protected:
    void SetUp() override {
        const std::string path = workspace_.path() + "/mailbox";
        const std::pair<FileNames*, std::shared_ptr<Mailbox>> sides[] = {{&host_, Mailbox::create(path, 1)},
                                                                         {&worker_, Mailbox::open(path, 1)}};
        for (const auto& [names, mailbox] : sides) {
            names->attach(mailbox);
            names->share();
        }
    }
    std::string file(const std::string& name) {
        const std::string path = workspace_.path() + "/" + name;
        if (!fs::exists(path)) std::ofstream(path) << name;
        return path;
    }
    static std::uint64_t inode(const std::string& path) { return platform::identify(path)->inode; }

    Workspace workspace_;
    FileNames host_;
    FileNames worker_;
};

TEST_F(SharedNames, AreSeenAsTheOtherSideHasChangedThem) {
    const std::string a = file("a");
    const std::string b = file("b");
    EXPECT_TRUE(host_.names(a, inode(a)));
    const auto was_b = inode(b);
    worker_.rename(b, a);
    EXPECT_TRUE(host_.names(a, was_b));
    EXPECT_FALSE(host_.identify(b));

    EXPECT_EQ(worker_.identify(a)->links, 1U);
    host_.link(a, b);
    EXPECT_EQ(worker_.identify(a)->links, 2U);
    EXPECT_EQ(host_.identify(a)->links, 2U);
    worker_.remove(a);
    EXPECT_FALSE(host_.identify(a));
}

TEST_F(SharedNames, AreNotLookedUpAgainWithoutAChange) {
    const std::string a = file("a");
    const auto was_a = inode(a);
    EXPECT_TRUE(host_.names(a, was_a));
    fs::rename(file("b"), a);  // as no side would, without a word
    EXPECT_TRUE(host_.names(a, was_a));
    worker_.changed();
    EXPECT_FALSE(host_.names(a, was_a));
}

TEST_F(SharedNames, ThatWereNotThereAreLookedUpAgain) {
    EXPECT_FALSE(host_.identify(workspace_.path() + "/a"));
    EXPECT_TRUE(host_.identify(file("a")));
}

TEST_F(SharedNames, ThatChangePlacesAreThoseOfTheOtherFiles) {
    const std::string a = file("a");
    const std::string b = file("b");
    const auto was_a = inode(a);
    const auto was_b = inode(b);
    EXPECT_TRUE(host_.names(a, was_a) && host_.names(b, was_b));
    ASSERT_TRUE(host_.exchange(a, b));
    EXPECT_TRUE(host_.names(b, was_a) && host_.names(a, was_b));
    EXPECT_TRUE(worker_.names(b, was_a) && worker_.names(a, was_b));
    EXPECT_FALSE(host_.exchange(a, workspace_.path() + "/none"));
    EXPECT_TRUE(host_.names(a, was_b));

    // The worker puts a file there, and has not counted that yet.
    const std::string stranger = file("stranger");
    const auto of_the_worker = inode(stranger);
    fs::rename(stranger, b);
    ASSERT_TRUE(host_.exchange(a, b));
    EXPECT_FALSE(host_.names(a, was_a));
    EXPECT_TRUE(host_.names(a, of_the_worker));
}

TEST_F(SharedNames, AFileThatLosesANameHasOneLess) {
    const std::string tag = file("tag");
    const std::string aside = workspace_.path() + "/aside";
    const std::string next = file("next");
    EXPECT_EQ(host_.identify(tag)->links, 1U);
    host_.link(tag, aside);
    EXPECT_EQ(host_.identify(aside)->links, 2U);
    host_.rename(next, tag);
    EXPECT_EQ(host_.identify(aside)->links, 1U);
}

TEST_F(SharedNames, AreLookedUpEachTimeForAWorkerWithoutTheMailbox) {
    const std::string a = file("a");
    FileNames alone;
    alone.attach(Mailbox::create(workspace_.path() + "/other", 1));
    const auto was_a = inode(a);
    EXPECT_TRUE(alone.names(a, was_a));
    fs::rename(file("b"), a);
    EXPECT_FALSE(alone.names(a, was_a));
}

}  // namespace
}  // namespace tr::test
