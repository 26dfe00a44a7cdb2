#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "channel/busy_wait.h"
#include "platform/deadline.h"
#include "platform/file.h"
#include "tech_renaissance/export.h"

namespace tr::channel {

/// The file `mailbox` of a session: two message slots, their bells and the lease tables, mapped by host and worker.
/// Layout and rules are in docs/protocol.md, "Mailbox". Everything that the peer writes is checked before it is used.
///
/// Each direction has one writer. One thread at a time may send, and one receive; ring_self() is for any thread.
///
/// A worker with several channels has a mailbox in each, and sleeps on the bell of the first one.
class TR_API Mailbox {
  public:
    enum class Side { host, worker };

    /// Messages up to this length go through the mailbox, longer ones through files.
    static constexpr std::uint32_t kSlotBytes = 64U << 10;
    /// How many buffers of each side can have a lease count.
    static constexpr std::uint32_t kLeases = 256;

    /// Makes the file and becomes its host. What was there under this path is replaced.
    /// @throws std::system_error when there is no room
    /// @param busy_wait_us see SessionOptions::busy_wait_us, of this side
    static std::shared_ptr<Mailbox> create(const std::string& path, std::uint64_t epoch, std::int64_t busy_wait_us = 0);
    /// Maps a host's file: as its worker, or as another host of that worker, which may ring but neither send nor
    /// receive.
    /// @throws InputError when it is not the mailbox of this epoch, std::system_error when it cannot be mapped
    static std::shared_ptr<Mailbox> open(const std::string& path, std::uint64_t epoch, Side side = Side::worker,
                                         std::int64_t busy_wait_us = 0);
    /// This is the mailbox of a further channel: the worker's bell is that of the first one. Before anything else.
    void ring_through(std::shared_ptr<Mailbox> first) { first_ = std::move(first); }

    /// 1; 0 in the file of a host that knows no further channels, and writes neither sent_ns() nor channels_state().
    std::uint32_t revision() const;

    /// Publishes a message and rings the peer.
    /// @returns false when it is too long for the slot; nothing was done then
    bool send(std::string_view message);
    /// A message that is not done with lies ready.
    bool pending() const;
    /// That message: the same one again until it is acknowledged, so that it is not lost where there is no memory for
    /// it.
    /// @throws InputError when the peer wrote an impossible length
    std::optional<std::string> receive();
    /// The message received last is done with.
    void acknowledge();
    /// The peer is done with the message sent last, and with what it names.
    bool received_by_peer() const;
    /// When the host sent its last message: nanoseconds of CLOCK_MONOTONIC. To be read once the message is pending.
    std::uint64_t sent_ns() const { return line(Side::worker).sent_ns.load(std::memory_order_relaxed); }

    /// What wait() compares with; to be read before looking for messages.
    std::uint32_t bell() const { return bell_line().bell.load(std::memory_order_acquire); }
    /// Where that is, to wait on it together with others, between sleeps(true) and sleeps(false).
    const std::atomic<std::uint32_t>& bell_word() const { return bell_line().bell; }
    /// A thread of this side is about to sleep on its bell, or has woken: while none does, a ring is no system call.
    void sleeps(bool begin) const;
    /// How often the other side has rung this side here, or anybody the worker where this is the first channel.
    std::uint32_t rings() const { return own().bell.load(std::memory_order_acquire); }
    /// Blocks while nobody has rung since bell() gave `seen`, until a signal or the deadline.
    void wait(std::uint32_t seen, platform::Deadline deadline);
    /// Ends the peer's wait; for news that lies in a file.
    void ring_peer();
    /// Ends this side's wait; any thread.
    void ring_self();

    /// Says that this side has changed what a tensor file is called; after the change, one thread at a time.
    void tell_names_changed() { peer().names.fetch_add(1, std::memory_order_release); }
    /// The same as before as long as neither side has changed a name.
    std::uint64_t names_state() const {
        return std::uint64_t{own().names.load(std::memory_order_acquire)} << 32 |
               peer().names.load(std::memory_order_relaxed);
    }

    /// Says that this side, a worker, has changed status.txt; after the change, one thread at a time.
    void tell_status_changed() { peer().status.fetch_add(1, std::memory_order_release); }
    /// The same as before as long as the worker has not changed it; 0 where it does not say.
    std::uint32_t status_state() const { return line(Side::host).status.load(std::memory_order_acquire); }

    /// Says that a channel of this worker was made or removed; after that, in the first channel's mailbox, any thread.
    void tell_channels_changed();
    /// The same as before as long as nobody has made or removed one.
    std::uint32_t channels_state() const { return line(Side::worker).channels.load(std::memory_order_acquire); }

    /// A buffer of this side whose count of leases the peer keeps.
    struct Lease {
        std::atomic<std::uint64_t> inode;
        std::atomic<std::uint32_t> count;
        std::atomic<std::uint32_t> lent;  ///< 1: another session's, which nobody may write to; else 0
    };
    /// This side's buffers (kLeases of them): it writes the inodes, the peer the counts.
    Lease* own_leases() const { return leases(side_); }
    Lease* peer_leases() const { return leases(side_ == Side::host ? Side::worker : Side::host); }

  private:
    /// What is written to reach one side.
    struct Line {
        std::atomic<std::uint32_t> bell;
        std::atomic<std::uint32_t> sequence;
        std::atomic<std::uint32_t> length;
        std::atomic<std::uint32_t> received;  ///< written by the receiver
        std::atomic<std::uint32_t> names;
        std::atomic<std::uint32_t> channels;  ///< to the worker, in the first channel: see channels_state()
        std::atomic<std::uint64_t> sent_ns;   ///< to the worker
        std::atomic<std::uint32_t>
            sleepers;                       ///< 1 and how many sleep on this bell; 0: who rings has to wake in any case
        std::atomic<std::uint32_t> status;  ///< to the host: see status_state()
        std::uint32_t unused[6];
    };
    struct Header;

    Mailbox(platform::SharedFile file, Side side, std::int64_t busy_wait_us);
    Header& header() const;
    Line& line(Side side) const;
    Line& own() const { return line(side_); }
    Line& peer() const { return line(side_ == Side::host ? Side::worker : Side::host); }
    /// Where this side sleeps.
    Line& bell_line() const { return side_ == Side::worker && first_ ? first_->own() : own(); }
    static void ring(Line& line);
    char* slot(Side side) const;
    Lease* leases(Side side) const;

    platform::SharedFile file_;
    Side side_;
    BusyWait busy_;
    std::shared_ptr<Mailbox> first_;  ///< of the worker, where this is a further channel
    // Atomic for those that only look; one thread at a time sends, and one receives.
    std::atomic<std::uint32_t> sent_{0};
    std::atomic<std::uint32_t> received_{0};  ///< the last one that is done with
    std::uint32_t seen_ = 0;                  ///< the last one that receive() gave
};

}  // namespace tr::channel
