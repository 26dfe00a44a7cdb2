// The buffers of this side, and how a tensor gets into one; tensor_store_load.cpp is the way back, and
// tensor_store_names.cpp sees to what their files are called.
#include "channel/tensor_store.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "channel/place_error.h"
#include "data/tsr_header.h"
#include "platform/host.h"
#include "platform/sequence_point.h"
#include "protocol/names.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::channel {
namespace {

constexpr std::uint64_t kSpare = 1U << 20;  ///< bytes that may wait to be used again, whatever is in use

}  // namespace

TensorStore::TensorStore(std::string directory, DirectoryMark mark)
    : directory_(std::move(directory)), mark_(std::move(mark)) {}

TensorStore::~TensorStore() {
    for (const auto& buffer : buffers_)
        if (buffer->lender) end_loan(buffer);
}

void TensorStore::attach(std::shared_ptr<Mailbox> mailbox) {
    const std::lock_guard<std::mutex> lock(mutex_);
    try {
        follow();
    } catch (const std::exception&) {
        // The directory has gone, or is beyond use.
    }
    behind_ = false;
    for (auto& buffer : buffers_) buffer->place = buffer->path;
    own_loans();
    // What lies under a tag that the dead worker has not come to give its result may be anything.
    for (const auto& [path, inode] : told_)
        if (const auto found = platform::identify(path); found && found->inode != inode) platform::remove_file(path);
    told_.clear();
    mailbox_ = std::move(mailbox);
    names_.attach(mailbox_);
    shared_ = false;
    reads_places_ = false;
    lends_ = false;
    in_flight_.clear();
    peer_files_.clear();
    std::vector<std::shared_ptr<Buffer>> held;
    for (auto& buffer : buffers_) {
        if (buffer.use_count() == 1) {
            // Only the hidden ones: a tag is there for the next worker as it was for the last.
            if (is_hidden(buffer->path)) platform::remove_file(buffer->path);
            continue;
        }
        buffer->slot = held.size();
        if (mailbox_) mailbox_->own_leases()[buffer->slot].inode = buffer->file.identity.inode;
        held.push_back(std::move(buffer));
    }
    buffers_ = std::move(held);
    remove_leftovers();
}

void TensorStore::share() {
    const std::lock_guard<std::mutex> lock(mutex_);
    names_.share();
    shared_ = true;
}

void TensorStore::request_begins(std::uint64_t id, bool with_names) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (with_names) follow_or_say_why();
    if (has_loans_)
        for (const auto& buffer : buffers_)
            if (buffer->lender && buffer->lent_for == 0) buffer->lent_for = id;
    in_flight_.push_back(id);
}

void TensorStore::request_ended(std::uint64_t id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    in_flight_.erase(std::remove(in_flight_.begin(), in_flight_.end(), id), in_flight_.end());
}

/// What dead workers have set aside or were about to write: nobody else clears it away before the session ends.
void TensorStore::remove_leftovers() const {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
        const std::string name = entry.path().filename().string();
        for (const std::string prefix : {".worker-", ".tmp-"}) {
            if (name.rfind(prefix, 0) != 0) continue;
            const long long pid = std::atoll(name.c_str() + prefix.size());
            if (pid > 0 && !platform::process_lives(pid)) std::filesystem::remove(entry.path(), error);
        }
    }
}

std::string TensorStore::path_of(const std::string& tag) const {
    protocol::require_tag(tag, "a tensor tag");
    return directory_ + "/" + tag + protocol::kTensorSuffix;
}

/// No tag starts with a dot.
bool TensorStore::is_hidden(const std::string& path) {
    return !path.empty() && path[path.rfind('/') + 1] == '.';
}

std::string TensorStore::hidden_path() {
    return directory_ + "/.host-" + std::to_string(hidden_count_++);
}

bool TensorStore::has(const std::string& tag) const {
    return platform::file_exists(path_of(tag));
}

void TensorStore::remove(const std::string& tag) {
    platform::remove_anything(path_of(tag));
}

void TensorStore::store(const TensorView& tensor, const std::string& tag, For purpose) {
    const std::string path = path_of(tag);
    const auto header = encode_tsr_header(tensor.dtype(), tensor.shape());
    const std::uint64_t bytes = header.size() + tensor.nbytes();
    const std::lock_guard<std::mutex> lock(mutex_);
    try {
        stored_.store(Clock::now(), std::memory_order_relaxed);
        const bool is_kept = purpose != For::only_request;
        const bool names_may_wait = !is_kept && reads_places_;
        told_.erase(path);
        return_loans();
        if (!names_may_wait) follow();
        if (shared_) {
            if (const auto own = buffer_of(tensor, header, path); own && put_under(own, path, names_may_wait)) {
                own->is_kept = own->is_kept || is_kept;
                trim();
                return;
            }
            if (purpose != For::itself && borrow(tensor, header, path)) return;
            if (const auto buffer = take_buffer(bytes, path)) {
                auto* memory = static_cast<char*>(buffer->file.memory.get());
                if (std::memcmp(memory, header.data(), header.size()) != 0)
                    std::memcpy(memory, header.data(), header.size());
                TR_SEQUENCE_POINT("tensor half written");
                if (tensor.nbytes() > 0) std::memcpy(memory + header.size(), tensor.data(), tensor.nbytes());
                put_under(buffer, path, names_may_wait);
                buffer->is_kept = is_kept;
                buffer->is_made = false;
                trim();
                return;
            }
        }
        follow();
        mark_.require();
        set_aside(path);
        platform::write_atomic(path, {reinterpret_cast<const char*>(header.data()), header.size()},
                               {static_cast<const char*>(tensor.data()), tensor.nbytes()});
        names_.changed();
        files_.erase(path);
        if (const auto made = is_kept ? std::nullopt : platform::identify(path)) files_[path] = made->inode;
    } catch (const std::system_error& error) {
        throw_place_error(error, path, bytes);
    }
}

Tensor TensorStore::empty(const Shape& shape, DType dtype, const std::string& tag) {
    const std::string path = path_of(tag);
    const auto header = encode_tsr_header(dtype, shape);
    const std::uint64_t bytes = header.size() + static_cast<std::uint64_t>(shape.numel()) * dtype_size(dtype);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!mailbox_) return Tensor::empty(shape, dtype);
    try {
        // What is under the tag stays until the tensor is sent.
        auto buffer = spare_buffer(bytes);
        if (!buffer) return Tensor::empty(shape, dtype);
        std::memcpy(buffer->file.memory.get(), header.data(), header.size());
        buffer->is_made = true;
        trim();
        return tensor_over(buffer, path);
    } catch (const std::system_error& error) {
        throw_place_error(error, path, bytes);
    }
}

/// Neither side holds it, nor is about to.
bool TensorStore::is_unseen(const std::shared_ptr<Buffer>& buffer) const {
    if (buffer.use_count() > 2 || is_sent_back(*buffer)) return false;  // the table's and the caller's
    for (const auto request : in_flight_)
        if (request <= buffer->lost_in) return false;
    // Pairs with the release in the destructor of the last tensor over it, and with the worker's of its last lease.
    std::atomic_thread_fence(std::memory_order_acquire);
    return mailbox_->own_leases()[buffer->slot].count.load(std::memory_order_acquire) == 0;
}

/// The worker has sent it back under a tag whose name its file may lack yet.
bool TensorStore::is_sent_back(const Buffer& buffer) const {
    for (const auto& [path, inode] : told_)
        if (inode == buffer.file.identity.inode) return true;
    return false;
}

/// Nobody can see what the buffer holds, or will before it is sent again.
bool TensorStore::is_free(const std::shared_ptr<Buffer>& buffer) {
    if (buffer->lender || !is_unseen(buffer)) return false;
    const auto found = names_.identify(buffer->path);
    return found && found->inode == buffer->file.identity.inode && found->links == 1;
}

std::shared_ptr<TensorStore::Buffer> TensorStore::buffer_at(const std::string& path) const {
    for (const auto& buffer : buffers_)
        if (buffer->place == path) return buffer;
    return nullptr;
}

std::shared_ptr<TensorStore::Buffer> TensorStore::buffer_of(std::uint64_t inode) const {
    for (const auto& buffer : buffers_)
        if (buffer->file.identity.inode == inode) return buffer;
    return nullptr;
}

std::shared_ptr<TensorStore::Buffer> TensorStore::buffer_over(const void* data) const {
    for (const auto& buffer : buffers_) {
        const auto* start = static_cast<const char*>(buffer->file.memory.get());
        if (data >= start && data < start + buffer->file.identity.size) return buffer;
    }
    return nullptr;
}

/// The buffer that is this tensor's memory, when sending the tensor is a matter of giving it a name.
std::shared_ptr<TensorStore::Buffer> TensorStore::buffer_of(const TensorView& tensor,
                                                            const std::vector<unsigned char>& header,
                                                            const std::string& path) {
    const auto buffer = buffer_over(tensor.data());
    // A result that lies over one has it to itself, also from what is sent of it later.
    if (!buffer || !buffer->is_made || buffer->file.identity.size != header.size() + tensor.nbytes()) return nullptr;
    auto* memory = static_cast<char*>(buffer->file.memory.get());
    if (tensor.data() != memory + header.size()) return nullptr;
    const auto found = names_.identify(buffer->path);
    if (!found || found->inode != buffer->file.identity.inode) return nullptr;  // without a name it cannot get another
    if (std::memcmp(memory, header.data(), header.size()) != 0) {
        // It has another shape now, which what is there under another name, or being looked at, must not get.
        const bool elsewhere =
            found->links > 1 || is_sent_back(*buffer) || (!is_hidden(buffer->place) && buffer->place != path);
        if (elsewhere || !in_flight_.empty()) return nullptr;
        std::memcpy(memory, header.data(), header.size());
    }
    return buffer;
}

/// A buffer of this size that may be written: the one under the name already, one set aside, or a new one.
std::shared_ptr<TensorStore::Buffer> TensorStore::take_buffer(std::uint64_t bytes, const std::string& path) {
    if (auto current = buffer_at(path);
        current && in_flight_.empty() && current->file.identity.size == bytes && is_free(current))
        return current;
    return spare_buffer(bytes);
}

/// One that has no tag.
/// @returns nothing when no more buffers can be shared
std::shared_ptr<TensorStore::Buffer> TensorStore::spare_buffer(std::uint64_t bytes) {
    for (const auto& listed : buffers_) {
        const auto buffer = listed;  // a second owner, as is_free() counts on
        if (is_hidden(buffer->place) && buffer->file.identity.size == bytes && is_free(buffer)) return buffer;
    }
    return make_buffer(bytes);
}

/// Of this side's lease table; kLeases when none is.
std::size_t TensorStore::free_slot() const {
    const auto* leases = mailbox_->own_leases();
    std::size_t slot = 0;
    while (slot < Mailbox::kLeases && leases[slot].inode.load(std::memory_order_relaxed) != 0) ++slot;
    return slot;
}

/// @returns nothing when no more buffers can be shared
std::shared_ptr<TensorStore::Buffer> TensorStore::make_buffer(std::uint64_t bytes) {
    auto* leases = mailbox_->own_leases();
    const std::size_t slot = free_slot();
    if (slot == Mailbox::kLeases) return nullptr;
    mark_.require();
    follow();
    auto buffer = std::make_shared<Buffer>();
    buffer->path = buffer->place = hidden_path();
    try {
        buffer->file = platform::create_shared(buffer->path, bytes);
    } catch (const std::system_error& error) {
        if (!platform::is_out_of_space(error) || trim(0) == 0) throw;
        buffer->file = platform::create_shared(buffer->path, bytes);
    }
    names_.changed();
    buffer->slot = slot;
    leases[slot].count.store(0, std::memory_order_relaxed);
    leases[slot].lent.store(0, std::memory_order_relaxed);
    TR_SEQUENCE_POINT("buffer to be listed");
    leases[slot].inode.store(buffer->file.identity.inode, std::memory_order_release);
    buffers_.push_back(buffer);
    return buffer;
}

/// Lets go of buffers set aside beyond what is in use.
void TensorStore::trim() {
    std::uint64_t named = kSpare;
    for (const auto& buffer : buffers_)
        if (!is_hidden(buffer->place)) named += buffer->file.identity.size;
    trim(named);
}

/// Lets go of buffers set aside beyond so many bytes, the oldest first, and of those that have lost their name.
/// @returns how many bytes were set free
std::uint64_t TensorStore::trim(std::uint64_t keep) {
    std::uint64_t aside = 0;
    std::uint64_t freed = 0;
    for (const auto& listed : buffers_) {
        const auto buffer = listed;  // a second owner, as is_free() counts on
        // One that has a second name for a while is in use as well.
        if (is_hidden(buffer->place) && is_free(buffer)) aside += buffer->file.identity.size;
    }
    for (std::size_t i = 0; i < buffers_.size();) {
        const auto buffer = buffers_[i];
        if (aside > keep && is_hidden(buffer->place) && is_free(buffer)) {
            follow();
            aside -= buffer->file.identity.size;
            freed += buffer->file.identity.size;
            names_.remove(buffer->path);
            platform::discard(buffer->file);
            release(buffer);
        } else if (buffer->path.empty() && is_unseen(buffer)) {
            freed += buffer->file.identity.size;
            release(buffer);
        } else {
            ++i;
        }
    }
    return freed;
}

void TensorStore::rest(Clock::time_point now) {
    constexpr std::chrono::seconds kAWhile(1);
    if (has_loans_) {
        const std::lock_guard<std::mutex> lock(mutex_);
        await_loans();
        return_loans();
    }
    const auto stored = stored_.load(std::memory_order_relaxed);
    if (stored == Clock::time_point() || now - stored < kAWhile) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    try {
        if (mailbox_) withdraw_large();
        if (mailbox_) trim(0);
    } catch (const std::system_error&) {
        // Whoever needs the room will say what is wrong there.
    }
    // What is held still is looked at again later.
    const bool left = std::any_of(buffers_.begin(), buffers_.end(), [](const auto& buffer) {
        return is_hidden(buffer->place) || (!buffer->is_kept && buffer->file.identity.size > kSpare);
    });
    stored_.store(left ? now : Clock::time_point(), std::memory_order_relaxed);
}

/// What was sent for one request that is over.
void TensorStore::withdraw_large() {
    follow();
    for (auto entry = told_.begin(); entry != told_.end();)
        entry = buffer_of(entry->second) ? told_.erase(entry) : std::next(entry);
    if (!in_flight_.empty()) return;
    for (const auto& [path, inode] : files_) {
        const auto found = names_.identify(path);
        if (found && found->inode == inode && found->size > kSpare) names_.remove(path);
    }
    files_.clear();
    for (const auto& listed : buffers_) {
        const auto buffer = listed;  // a second owner, as is_free() counts on
        if (buffer->is_kept || is_hidden(buffer->place) || buffer->file.identity.size <= kSpare) continue;
        if (!is_free(buffer)) continue;
        const std::string hidden = hidden_path();
        names_.rename(buffer->path, hidden);
        buffer->path = buffer->place = hidden;
    }
}

std::uint64_t TensorStore::bytes_held() const {
    std::map<std::uint64_t, std::uint64_t> sizes;  // by inode, as one file may have several names
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory_, error)) {
        const std::string name = entry.path().filename().string();
        const bool is_buffer = name.rfind(".host-", 0) == 0 || name.rfind(".worker-", 0) == 0;
        if (!is_buffer && entry.path().extension() != protocol::kTensorSuffix) continue;
        if (const auto found = platform::identify(entry.path().string())) sizes[found->inode] = found->size;
    }
    std::uint64_t bytes = 0;
    for (const auto& [inode, size] : sizes) bytes += size;
    return bytes;
}

void TensorStore::release(const std::shared_ptr<Buffer>& buffer) {
    mailbox_->own_leases()[buffer->slot].inode.store(0, std::memory_order_release);
    buffers_.erase(std::remove(buffers_.begin(), buffers_.end(), buffer), buffers_.end());
}

}  // namespace tr::channel
