#include "channel/mailbox.h"

#include <chrono>
#include <cstddef>
#include <cstring>

#include "platform/futex.h"
#include "platform/sequence_point.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::channel {
namespace {

constexpr std::uint32_t kMagic = 0x424d5254;  // "TRMB"
constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kRevision = 1;  // of what was added to this version; older peers need not know
constexpr std::size_t kLinesOffset = 64;
constexpr std::size_t kSlotsOffset = 256;
constexpr std::size_t kLeasesOffset = kSlotsOffset + 2 * Mailbox::kSlotBytes;
constexpr std::size_t kFileBytes = kLeasesOffset + 2 * Mailbox::kLeases * sizeof(Mailbox::Lease);

static_assert(sizeof(Mailbox::Lease) == 16);

std::uint64_t monotonic_ns() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

}  // namespace

struct Mailbox::Header {
    std::uint32_t magic;
    std::uint32_t version;
    std::uint64_t epoch;
    std::uint32_t revision;
};

Mailbox::Mailbox(platform::SharedFile file, Side side, std::int64_t busy_wait_us)
    : file_(std::move(file)), side_(side), busy_(busy_wait_us) {}

std::shared_ptr<Mailbox> Mailbox::create(const std::string& path, std::uint64_t epoch, std::int64_t busy_wait_us) {
    static_assert(sizeof(Line) == 64);
    const std::string temporary = path + ".new";
    platform::remove_anything(temporary);
    std::shared_ptr<Mailbox> mailbox(
        new Mailbox(platform::create_shared(temporary, kFileBytes), Side::host, busy_wait_us));
    std::memset(mailbox->file_.memory.get(), 0, kFileBytes);
    mailbox->header() = Header{kMagic, kVersion, epoch, kRevision};
    mailbox->own().sleepers.store(1, std::memory_order_relaxed);
    platform::rename_file(temporary, path);
    return mailbox;
}

std::shared_ptr<Mailbox> Mailbox::open(const std::string& path, std::uint64_t epoch, Side side,
                                       std::int64_t busy_wait_us) {
    auto file = platform::map_shared(path);
    if (file.identity.size != kFileBytes)
        throw InputError("'" + path + "' is not the mailbox of a session: expected " + std::to_string(kFileBytes) +
                         " bytes, found " + std::to_string(file.identity.size));
    std::shared_ptr<Mailbox> mailbox(new Mailbox(std::move(file), side, busy_wait_us));
    const Header& found = mailbox->header();
    if (found.magic != kMagic || found.version != kVersion || found.epoch != epoch)
        throw InputError("'" + path + "' is not the mailbox of this session: expected version " +
                         std::to_string(kVersion) + " and epoch " + std::to_string(epoch) + ", found " +
                         std::to_string(found.version) + " and " + std::to_string(found.epoch));
    if (side == Side::worker) {
        std::uint32_t unsaid = 0;
        mailbox->own().sleepers.compare_exchange_strong(unsaid, 1);
    }
    return mailbox;
}

std::uint32_t Mailbox::revision() const {
    return header().revision;
}

Mailbox::Header& Mailbox::header() const {
    return *static_cast<Header*>(file_.memory.get());
}

Mailbox::Line& Mailbox::line(Side side) const {
    auto* lines = static_cast<char*>(file_.memory.get()) + kLinesOffset;
    return reinterpret_cast<Line*>(lines)[side == Side::worker ? 0 : 1];
}

char* Mailbox::slot(Side side) const {
    return static_cast<char*>(file_.memory.get()) + kSlotsOffset + (side == Side::worker ? 0 : kSlotBytes);
}

Mailbox::Lease* Mailbox::leases(Side side) const {
    auto* tables = static_cast<char*>(file_.memory.get()) + kLeasesOffset;
    return reinterpret_cast<Lease*>(tables) + (side == Side::host ? 0 : kLeases);
}

bool Mailbox::send(std::string_view message) {
    if (message.size() > kSlotBytes) return false;
    const Side to = side_ == Side::host ? Side::worker : Side::host;
    if (!message.empty()) std::memcpy(slot(to), message.data(), message.size());
    peer().length.store(static_cast<std::uint32_t>(message.size()), std::memory_order_relaxed);
    if (side_ == Side::host) peer().sent_ns.store(monotonic_ns(), std::memory_order_relaxed);
    TR_SEQUENCE_POINT("message written");
    // Who sees the number sees the length and the bytes.
    const std::uint32_t number = sent_.load(std::memory_order_relaxed) + 1;
    sent_.store(number, std::memory_order_relaxed);
    peer().sequence.store(number, std::memory_order_release);
    TR_SEQUENCE_POINT("message announced");
    ring_peer();
    TR_SEQUENCE_POINT("message rung");
    return true;
}

bool Mailbox::pending() const {
    return own().sequence.load(std::memory_order_acquire) != received_.load(std::memory_order_relaxed);
}

std::optional<std::string> Mailbox::receive() {
    const std::uint32_t sequence = own().sequence.load(std::memory_order_acquire);
    if (sequence == received_.load(std::memory_order_relaxed)) return std::nullopt;
    TR_SEQUENCE_POINT("message seen");
    seen_ = sequence;
    const std::uint32_t length = own().length.load(std::memory_order_relaxed);
    if (length > kSlotBytes) {
        received_.store(sequence, std::memory_order_relaxed);  // it would be no better another time
        throw InputError("the peer announced a message of " + std::to_string(length) + " bytes in a slot of " +
                         std::to_string(kSlotBytes));
    }
    return std::string(slot(side_), length);
}

void Mailbox::acknowledge() {
    received_.store(seen_, std::memory_order_relaxed);
    own().received.store(seen_, std::memory_order_release);
}

bool Mailbox::received_by_peer() const {
    return peer().received.load(std::memory_order_acquire) == sent_.load(std::memory_order_relaxed);
}

void Mailbox::sleeps(bool begin) const {
    // In one order with the ring: either who rings sees that somebody sleeps, or who is about to sleep sees the ring.
    if (begin)
        bell_line().sleepers.fetch_add(1, std::memory_order_seq_cst);
    else
        bell_line().sleepers.fetch_sub(1, std::memory_order_seq_cst);
}

void Mailbox::wait(std::uint32_t seen, platform::Deadline deadline) {
    const auto& word = bell_word();
    const auto sleep = [&] {
        sleeps(true);
        if (word.load(std::memory_order_seq_cst) == seen) platform::futex_wait(word, seen, deadline);
        sleeps(false);
    };
    if (busy_.is_off()) return sleep();
    const auto begin = BusyWait::Clock::now();
    auto end = begin;
    const bool looks = busy_.is_to_look();
    if (!looks || !busy_.look(word, seen, deadline, end)) {
        sleep();
        end = BusyWait::Clock::now();
    }
    busy_.ended(looks, end - begin);
}

void Mailbox::ring(Line& line) {
    line.bell.fetch_add(1, std::memory_order_seq_cst);
    if (line.sleepers.load(std::memory_order_seq_cst) != 1) platform::futex_wake(line.bell);
}

void Mailbox::ring_peer() {
    TR_RINGS("futex") {
        if (side_ == Side::host && first_) {
            peer().bell.fetch_add(1, std::memory_order_release);  // for rings()
            ring(first_->peer());
        } else {
            ring(peer());
        }
    }
}

void Mailbox::ring_self() {
    ring(bell_line());
}

void Mailbox::tell_channels_changed() {
    line(Side::worker).channels.fetch_add(1, std::memory_order_release);
    ring_peer();
}

}  // namespace tr::channel
