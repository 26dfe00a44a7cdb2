// How a tensor that the worker has put under a tag gets into the caller's hands.
#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>
#include <utility>

#include "channel/place_error.h"
#include "channel/tensor_store.h"
#include "data/tsr_header.h"
#include "platform/fork.h"
#include "platform/sequence_point.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::channel {
namespace {

/// Up to here a copy is quicker than a mapping of its own, or a lease.
constexpr std::size_t kSmall = 64U << 10;

/// From a copy, as a worker that breaks the rules may write to it meanwhile.
TsrHeader header_of(const void* memory, std::uint64_t size, const std::string& path) {
    std::array<unsigned char, kTsrMaxHeader> start{};
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(size, start.size()));
    if (length > 0) std::memcpy(start.data(), memory, length);
    return decode_tsr_header(start.data(), length, size, path);
}

TsrHeader header_of(const platform::SharedFile& file, const std::string& path) {
    return header_of(file.memory.get(), file.identity.size, path);
}

}  // namespace

Tensor TensorStore::load(const std::string& tag, const std::vector<protocol::BufferPlace>& places) {
    const std::string path = path_of(tag);
    const std::lock_guard<std::mutex> lock(mutex_);
    try {
        return load_from(path, tag, protocol::find_place(places, tag));
    } catch (const std::system_error& error) {
        if (place_advice(error, path).empty()) throw TSRError(error.what());
        const auto found = platform::identify(path);
        throw_place_error(error, path, found ? found->size : 0);
    }
}

Tensor TensorStore::load_from(const std::string& path, const std::string& tag, const protocol::BufferPlace* place) {
    if (shared_) {
        told_.erase(path);
        if (place != nullptr) {
            told_[path] = place->inode;
            if (const auto own = buffer_of(place->inode)) {
                stored_.store(Clock::now(), std::memory_order_relaxed);  // it may have been sent long before
                return result_over(own, path);
            }
            if (const PeerFile* file = peer_file_at(*place, path)) return load_leased(*file, path);
            throw TSRError("the worker says that '" + tag + "' lies in '" + std::string(place->name) +
                           "', and there is no such buffer: expected a file that the worker shares, of inode " +
                           std::to_string(place->inode));
        }
        if (const auto own = behind_ ? buffer_at(path) : nullptr; own && own->path != path) follow();
        const auto found = names_.identify(path);
        if (const auto own = found ? buffer_of(found->inode) : nullptr) return result_over(own, path);
        if (const PeerFile* file = found ? peer_file(found->inode, path) : nullptr) return load_leased(*file, path);
    }
    return load_private(path, tag);
}

/// A tensor whose memory is one of our buffers.
Tensor TensorStore::tensor_over(const std::shared_ptr<Buffer>& buffer, const std::string& path) const {
    const auto header = header_of(buffer->file, path);
    std::shared_ptr<void> memory(buffer, static_cast<char*>(buffer->file.memory.get()) + header.header_bytes);
    if (!buffer->lender) remember(memory, buffer->file, buffer->path);
    return Tensor::from_storage(std::move(memory), header.shape, header.dtype);
}

/// A result has its memory to itself: a copy where another tensor lies over it, or what was sent under a tag by itself.
Tensor TensorStore::result_over(const std::shared_ptr<Buffer>& buffer, const std::string& path) const {
    constexpr long kOwners = 2;  // the table and the caller
    Tensor over = tensor_over(buffer, path);
    const bool is_alone = buffer.use_count() == kOwners + 1 && !buffer->is_kept && !buffer->lender;
    if (!is_alone) return Tensor::from_data(over.raw_data(), over.shape(), over.dtype());
    buffer->is_made = false;
    return over;
}

Tensor TensorStore::load_private(const std::string& path, const std::string& tag) const {
    const auto file = platform::map_private(path);
    if (!file) throw NotFoundError("there is no tensor '" + tag + "' in the session: '" + path + "' does not exist");
    const auto* bytes = static_cast<const unsigned char*>(file->memory.get());
    const auto header = header_of(bytes, file->size, path);
    check_tsr_data(header.dtype, bytes + header.header_bytes, header.data_bytes, path);
    if (header.data_bytes <= kSmall) return Tensor::from_data(bytes + header.header_bytes, header.shape, header.dtype);
    std::shared_ptr<void> data(file->memory, static_cast<char*>(file->memory.get()) + header.header_bytes);
    return Tensor::from_storage(std::move(data), header.shape, header.dtype);
}

Tensor TensorStore::load_leased(const PeerFile& file, const std::string& path) const {
    const auto header = header_of(file.file, path);
    auto* data = static_cast<char*>(file.file.memory.get()) + header.header_bytes;
    check_tsr_data(header.dtype, data, header.data_bytes, path);
    if (header.data_bytes <= kSmall) return Tensor::from_data(data, header.shape, header.dtype);
    auto& count = mailbox_->peer_leases()[file.slot].count;
    count.fetch_add(1, std::memory_order_acq_rel);
    TR_SEQUENCE_POINT("lease taken");
    // Keeps the mailbox, where the count is, and the mapping for as long as the tensor lives. A fork of this process
    // has a copy of the tensor, but no lease.
    std::shared_ptr<void> memory(data, [mailbox = mailbox_, mapping = file.file.memory, &count,
                                        generation = platform::fork_generation()](void*) mutable {
        if (platform::fork_generation() == generation) count.fetch_sub(1, std::memory_order_acq_rel);
        // Now, as this function lives for as long as anything that is weak knows of the tensor.
        mapping.reset();
        mailbox.reset();
    });
    remember(memory, file.file, path);
    return Tensor::from_storage(std::move(memory), header.shape, header.dtype);
}

/// The worker's buffer that has yet to get this path, or has got it meanwhile.
const TensorStore::PeerFile* TensorStore::peer_file_at(const protocol::BufferPlace& place, const std::string& path) {
    const std::string name = directory_ + "/" + std::string(place.name);
    for (const std::string& candidate : {name, path, name})
        if (const auto* file = peer_file(place.inode, candidate)) return file;
    return nullptr;
}

/// The worker's buffer of this inode, mapped; nothing when it is not one that has leases.
const TensorStore::PeerFile* TensorStore::peer_file(std::uint64_t inode, const std::string& path) {
    const auto* leases = mailbox_->peer_leases();
    const auto lists = [leases](std::size_t slot, std::uint64_t wanted) {
        return leases[slot].inode.load(std::memory_order_acquire) == wanted;
    };
    const auto known = peer_files_.find(inode);
    if (known != peer_files_.end() && lists(known->second.slot, inode)) return &known->second;
    // One that lies in another slot by now has been lent again.
    const auto mapped = known != peer_files_.end() ? known->second.file : platform::SharedFile();
    // A new buffer, so an old one may be gone: mappings would keep its memory.
    for (auto entry = peer_files_.begin(); entry != peer_files_.end();)
        entry = lists(entry->second.slot, entry->first) ? std::next(entry) : peer_files_.erase(entry);
    std::size_t slot = 0;
    while (slot < Mailbox::kLeases && !lists(slot, inode)) ++slot;
    if (slot == Mailbox::kLeases) return nullptr;
    PeerFile file{mapped.memory ? mapped : platform::map_shared(path), slot};
    if (!file.file.memory || file.file.identity.inode != inode) return nullptr;
    return &peer_files_.emplace(inode, std::move(file)).first->second;
}

}  // namespace tr::channel
