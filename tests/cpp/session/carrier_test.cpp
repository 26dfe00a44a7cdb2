// The mailbox, and the store of tensors, without a session.
#include <atomic>
#include <chrono>
#include <thread>

#include "channel/busy_wait.h"
#include "channel/mailbox.h"
#include "channel/tensor_store.h"
#include "support.h"

namespace tr::test {
namespace {

using channel::Mailbox;
using channel::TensorStore;

class CarrierTest : public testing::Test {
  protected:
    void SetUp() override {
        host_ = Mailbox::create(workspace_.path() + "/mailbox", 1);
        worker_ = Mailbox::open(workspace_.path() + "/mailbox", 1);
    }

    Workspace workspace_;
    std::shared_ptr<Mailbox> host_;
    std::shared_ptr<Mailbox> worker_;
};

TEST_F(CarrierTest, AMessageLiesReadyUntilItIsDoneWith) {
    ASSERT_TRUE(worker_->send("answer"));
    EXPECT_EQ(host_->receive(), "answer");
    EXPECT_EQ(host_->receive(), "answer") << "who could not make use of it asks again";
    EXPECT_TRUE(host_->pending());
    EXPECT_FALSE(worker_->received_by_peer());
    host_->acknowledge();
    EXPECT_FALSE(host_->pending());
    EXPECT_FALSE(host_->receive());
    EXPECT_TRUE(worker_->received_by_peer());
}

/// A wait of this side that ends with a ring, and not with the limit that a lost one would take.
bool wait_for_message(Mailbox& box) {
    const auto limit = platform::Deadline::after(20'000);
    for (;;) {
        const auto seen = box.bell();
        if (box.pending()) return true;
        box.wait(seen, limit);
        if (limit.passed()) return false;
    }
}

TEST_F(CarrierTest, NoRingIsLostHoweverEitherSideWaits) {
    constexpr int kRounds = 3'000;
    for (const std::int64_t host_us : {-1, 0, 1, 50})
        for (const std::int64_t worker_us : {-1, 0, 1, 50}) {
            const std::string path = workspace_.path() + "/waits";
            const auto host = Mailbox::create(path, 1, host_us);
            const auto worker = Mailbox::open(path, 1, Mailbox::Side::worker, worker_us);
            int served = 0;
            std::thread serves([&] {
                for (; served < kRounds && wait_for_message(*worker); ++served) {
                    worker->receive();
                    worker->acknowledge();
                    // Now and then longer than anybody looks, so that waits sleep, and are short again.
                    const auto busy =
                        std::chrono::steady_clock::now() + std::chrono::microseconds(served % 100 ? 0 : 300);
                    while (std::chrono::steady_clock::now() < busy) {
                    }
                    worker->send("answer");
                }
            });
            int answered = 0;
            for (; answered < kRounds; ++answered) {
                host->send("request");
                if (!wait_for_message(*host)) break;
                host->receive();
                host->acknowledge();
            }
            serves.join();
            EXPECT_EQ(answered, kRounds) << host_us << " us, " << worker_us << " us";
            EXPECT_EQ(served, kRounds);
        }
}

TEST(BusyWaitTest, DoesWhatHasBeenShorter) {
    using channel::BusyWait;
    using std::chrono::microseconds;
    BusyWait busy(100);
    // Waits that take so long, by how they begin; which of them have looked.
    const auto waits = [&](int count, microseconds looking, microseconds sleeping) {
        int looked = 0;
        for (int i = 0; i < count; ++i) {
            const bool looks = busy.is_to_look();
            looked += looks ? 1 : 0;
            busy.ended(looks, looks ? looking : sleeping);
        }
        return looked;
    };
    EXPECT_GT(waits(2'000, microseconds(10), microseconds(60)), 1'900) << "looking is shorter";
    EXPECT_LT(waits(1'000, microseconds(5'000), microseconds(5'000)), 50) << "somebody computes";
    EXPECT_GT(waits(1'000, microseconds(10), microseconds(60)), 900) << "waits are short again";
    waits(1'000, microseconds(4'000), microseconds(30));
    EXPECT_LT(waits(100'000, microseconds(4'000), microseconds(30)), 20) << "others want the core";
    EXPECT_GT(waits(200'000, microseconds(10), microseconds(30)), 100'000) << "they have gone";
    waits(1'000, microseconds(60), microseconds(30));
    EXPECT_LT(waits(100'000, microseconds(60), microseconds(30)), 200) << "looking holds somebody up";
}

TEST(BusyWaitTest, DoesNotTryToSleepBecauseTheOtherSideDoes) {
    using channel::BusyWait;
    using std::chrono::microseconds;
    BusyWait busy(100);
    int slept = 0;
    for (int i = 0; i < 100'000; ++i) {
        const bool looks = busy.is_to_look();
        slept += looks ? 0 : 1;
        const bool other_sleeps = i % 200 < 8;  // and has to be woken
        busy.ended(looks, microseconds(looks && !other_sleeps ? 2 : 40));
    }
    EXPECT_LT(slept, 150);
}

TEST(BusyWaitTest, LooksAgainAfterAPauseAndAfterASliceThatIsRarelyLost) {
    using channel::BusyWait;
    using std::chrono::microseconds;
    static bool loses;
    loses = false;
    BusyWait busy(100, [] {
        if (std::exchange(loses, false)) std::this_thread::sleep_for(microseconds(1'000));
    });
    std::atomic<std::uint32_t> word{7};
    int slept = 0;
    const auto waits = [&](int count, microseconds slowest) {
        for (int i = 0; i < count; ++i) {
            const bool looks = busy.is_to_look();
            slept += looks ? 0 : 1;
            auto now = BusyWait::Clock::now();
            if (looks) busy.look(word, loses ? 7 : 6, platform::Deadline::after(60'000), now);
            busy.ended(looks, i == 0 ? slowest : microseconds(looks ? 2 : 40));
        }
    };
    waits(100'000, microseconds(2));
    slept = 0;
    for (int i = 0; i < 20; ++i) waits(1'000, microseconds(1'000'000));
    EXPECT_LT(slept, 100) << "for no more than one wait that was long";
    slept = 0;
    for (int i = 0; i < 20; ++i) {
        loses = true;
        waits(10'000, microseconds(2));
    }
    EXPECT_LT(slept, 20 * 600) << "a core that is lost once in 10'000 waits is not given up";
    for (int i = 0; i < 10; ++i) waits(1, microseconds(1'000'000));  // it is idle
    slept = 0;
    waits(1'000, microseconds(2));
    EXPECT_LT(slept, 100) << "and when waits are short again, it looks at once";
}

TEST(BusyWaitTest, GoesOnLookingWhereSleepingIsAsShort) {
    using channel::BusyWait;
    BusyWait busy(100);
    int slept = 0;
    for (int i = 0; i < 100'000; ++i) {
        const bool looks = busy.is_to_look();
        slept += looks ? 0 : 1;
        busy.ended(looks, std::chrono::nanoseconds(looks ? 4'500 : 4'000));
    }
    EXPECT_LT(slept, 150);
}

TEST(BusyWaitTest, LooksForAWindow) {
    using channel::BusyWait;
    std::atomic<std::uint32_t> word{7};
    static int yields;
    yields = 0;
    BusyWait busy(2'000, [] { ++yields; });
    const auto begin = BusyWait::Clock::now();
    auto now = begin;
    EXPECT_FALSE(busy.look(word, 7, platform::Deadline::after(60'000), now));
    EXPECT_GE(now - begin, std::chrono::milliseconds(2));
    EXPECT_GT(yields, 0);
    yields = 0;
    EXPECT_TRUE(busy.look(word, 6, platform::Deadline::after(60'000), now));
    EXPECT_EQ(yields, 0) << "as it has rung already";
    EXPECT_TRUE(BusyWait(0).is_off());
}

TEST(BusyWaitTest, ACoreThatGoesToOthersIsYieldedMoreAndMoreSeldom) {
    using channel::BusyWait;
    using std::chrono::microseconds;
    static bool others;
    others = true;
    BusyWait busy(100, [] {
        if (others) std::this_thread::sleep_for(microseconds(1'000));
    });
    std::atomic<std::uint32_t> word{7};
    // Both kinds of waits seem to be as long, as the other side's yields make them.
    const auto looks = [&](int count) {
        int looked = 0;
        for (int i = 0; i < count; ++i) {
            const bool to_look = busy.is_to_look();
            looked += to_look ? 1 : 0;
            auto now = BusyWait::Clock::now();
            if (to_look) busy.look(word, others ? 7 : 6, platform::Deadline::after(60'000), now);
            if (others)
                busy.ended(to_look, microseconds(i % 20 == 0 ? 4'000 : 10));
            else
                busy.ended(to_look, microseconds(to_look ? 10 : 30));
        }
        return looked;
    };
    EXPECT_LT(looks(1'000), 10);
    EXPECT_LT(looks(100'000), 10);
    others = false;
    looks(200'000);
    EXPECT_GT(looks(10'000), 1'000) << "they have gone";
}

TEST_F(CarrierTest, WhatTheWorkerMayBeAboutToLeaseIsNotWrittenAgain) {
    const std::string lock = workspace_.path() + "/lock";
    platform::write_atomic(lock, "");
    TensorStore store(workspace_.path(), {lock, platform::identify(lock)->inode});
    store.attach(host_);
    store.share();
    const auto send = [&](const char* tag, double value) { store.store(Tensor::full(Shape(5'000), value), tag); };
    send("x", 1);
    store.request_begins(1);
    host_->send("the first request");
    const auto found = platform::map_shared(workspace_.path() + "/x.tsr");  // by the worker, under the tag
    const auto* last = static_cast<float*>(found.memory.get()) + found.identity.size / sizeof(float) - 1;
    send("x", 2);
    worker_->receive();
    worker_->acknowledge();  // now the host gets to know that it has the request
    for (int i = 3; i < 9; ++i) send(i % 2 == 0 ? "x" : "y", i);
    EXPECT_EQ(*last, 1.0F);
    store.request_ended(1);
    store.request_begins(2);
    send("y", 9);
    EXPECT_EQ(*last, 9.0F) << "with the first request answered nobody is about to look any more";
}

TEST_F(CarrierTest, NamesThatAreBehindAreToldOfAndFollow) {
    const std::string lock = workspace_.path() + "/lock";
    platform::write_atomic(lock, "");
    TensorStore store(workspace_.path(), {lock, platform::identify(lock)->inode});
    store.attach(host_);
    store.share();
    const auto send = [&](const char* tag, double value) {
        store.store(Tensor::full(Shape(5'000), value), tag, channel::TensorStore::For::only_request);
    };
    const auto under = [&](const std::string& name) {
        const auto file = platform::map_shared(workspace_.path() + "/" + name);
        return static_cast<float*>(file.memory.get())[file.identity.size / sizeof(float) - 1];
    };
    send("a", 1);
    store.request_begins(1);
    send("a", 2);
    EXPECT_EQ(under("a.tsr"), 2.0F) << "the worker would not know";
    store.let_names_wait();
    store.request_ended(1);
    store.request_begins(2);
    send("a", 3);
    const auto names = host_->names_state();
    EXPECT_EQ(under("a.tsr"), 2.0F);
    const std::string told = store.places();
    const auto places = protocol::parse_places(told);
    ASSERT_EQ(places.size(), 1U);
    EXPECT_EQ(places[0].tag, "a");
    EXPECT_EQ(under(std::string(places[0].name)), 3.0F);
    EXPECT_EQ(platform::identify(workspace_.path() + "/" + std::string(places[0].name))->inode, places[0].inode);
    store.request_ended(2);
    store.request_begins(3);
    send("a", 4);
    EXPECT_EQ(under("a.tsr"), 4.0F);
    EXPECT_EQ(store.places(), "") << "it has its name again";
    store.request_ended(3);
    store.request_begins(4);
    send("a", 5);
    EXPECT_EQ(store.places(), told);
    EXPECT_EQ(host_->names_state(), names);
    EXPECT_EQ(under("a.tsr"), 4.0F);
    store.request_ended(4);
    store.store(Tensor::full(Shape(7), 6.0), "by_hand");
    EXPECT_EQ(under("a.tsr"), 5.0F) << "who changes a name sees to the others first";
    EXPECT_EQ(store.places(), "");
    store.request_begins(5);
    send("a", 7);
    EXPECT_TRUE(store.names_are_behind());
    EXPECT_FALSE(store.names_are_due(TensorStore::Clock::now() - std::chrono::hours(1)));
    EXPECT_TRUE(store.names_are_due(TensorStore::Clock::now() + std::chrono::hours(1)));
    store.attach(nullptr);
    EXPECT_EQ(under("a.tsr"), 7.0F) << "for the next worker";
}

TEST_F(CarrierTest, ABufferThatTheWorkerSendsBackIsNotWrittenWhileATagHasIt) {
    const std::string lock = workspace_.path() + "/lock";
    platform::write_atomic(lock, "");
    TensorStore store(workspace_.path(), {lock, platform::identify(lock)->inode});
    store.attach(host_);
    store.share();
    store.let_names_wait();
    const auto send = [&](double value) {
        store.store(Tensor::full(Shape(50'000), value), "a", channel::TensorStore::For::only_request);
    };
    const auto inode_of = [&](const std::string& name) {
        return platform::identify(workspace_.path() + "/" + name)->inode;
    };
    const auto back = [&](std::uint64_t inode) {
        return store.load("result_0", {{"result_0", inode, ".of-no-importance"}});
    };
    send(1);
    const auto first = inode_of("a.tsr");
    {
        const Tensor result = back(first);
        EXPECT_EQ(result.data<float>()[49'999], 1.0F);
    }
    send(2);
    const auto second = inode_of("a.tsr");
    EXPECT_NE(second, first) << "result_0 is to be what it was, whoever looks at it";
    const Tensor held = back(second);
    send(3);
    EXPECT_EQ(held.data<float>()[0], 2.0F);
    const auto places = store.places();
    EXPECT_EQ(protocol::parse_places(places).at(0).inode, first) << "which no tag has any more, nor anybody";
    EXPECT_EQ(back(first).data<float>()[0], 3.0F);
    EXPECT_THROW(back(4711), TSRError);
}

TEST(BuffersTest, WhereTensorsLie) {
    const auto places = protocol::parse_places("a 12 .host-1 result_0 18446744073709551615 .worker-7-1");
    ASSERT_EQ(places.size(), 2U);
    EXPECT_EQ(protocol::find_place(places, "result_0")->inode, UINT64_MAX);
    EXPECT_EQ(protocol::find_place(places, "b"), nullptr);
    EXPECT_TRUE(protocol::parse_places("").empty());
    for (const char* wrong : {"a", "a 1", "a 1 ..host", "a 0 .host-1", "a x .host-1", "a 1 .host-1 ", "a 1 .host-1 b",
                              "a/b 1 .host-1", "a 1 ./x", " a 1 .host-1", "a -1 .host-1", "a 1 .."})
        EXPECT_THROW(protocol::parse_places(wrong), InputError) << wrong;
}

TEST_F(CarrierTest, AWorkerSleepsOnTheBellOfItsFirstChannel) {
    const std::string path = workspace_.path() + "/further";
    const auto host = Mailbox::create(path, 1);
    const auto worker = Mailbox::open(path, 1);
    const auto client =
        Mailbox::open(workspace_.path() + "/mailbox", 1, Mailbox::Side::host);  // as another host has it
    host->ring_through(client);
    worker->ring_through(worker_);
    EXPECT_EQ(worker->revision(), 1U);
    auto rung = [&, seen = worker_->bell()]() mutable {
        const auto before = seen;
        seen = worker_->bell();
        EXPECT_EQ(worker->bell(), seen);
        return seen != before;
    };
    ASSERT_TRUE(host->send("request"));
    EXPECT_TRUE(rung());
    EXPECT_FALSE(worker_->pending());
    EXPECT_EQ(worker->receive(), "request");
    const auto sent = worker->sent_ns();
    EXPECT_GT(sent, 0U);
    host_->send("a later one");
    EXPECT_LE(sent, worker_->sent_ns());
    EXPECT_TRUE(rung());
    worker->ring_self();
    EXPECT_TRUE(rung());
    EXPECT_EQ(worker_->channels_state(), 0U);
    client->tell_channels_changed();
    EXPECT_EQ(worker_->channels_state(), 1U);
    EXPECT_EQ(host_->channels_state(), 1U);
    EXPECT_TRUE(rung());
    const auto bells = std::make_pair(host_->bell(), host->bell());
    ASSERT_TRUE(worker->send("answer"));
    EXPECT_EQ(host_->bell(), bells.first) << "each host has its own bell";
    EXPECT_NE(host->bell(), bells.second);
    EXPECT_FALSE(rung());
}

}  // namespace
}  // namespace tr::test
