// Tensors that lie in files of other sessions, lent to this one's worker for a request.
#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include "channel/tensor_store.h"

namespace tr::channel {

/// A tensor has been made over a file, by which another session may lend it.
void TensorStore::remember(const std::shared_ptr<void>& tensor, const platform::SharedFile& file,
                           const std::string& path) const {
    const auto& [inode, size, links] = file.identity;
    if (size > TensorFiles::kSmall)
        TensorFiles::of_process().add(file.memory.get(), tensor, {directory_, path, inode, size, mailbox_});
}

/// Has the tensor be under the name, for a request, without a copy: its file, which is another session's, gets a name
/// here, and the worker maps it as memory of its own.
/// @returns false when that cannot be, and nothing was done then
bool TensorStore::borrow(const TensorView& tensor, const std::vector<unsigned char>& header, const std::string& path) {
    if (!lends_ || header.size() + tensor.nbytes() <= TensorFiles::kSmall) return false;
    auto found = TensorFiles::of_process().find(tensor.data(), tensor.nbytes(),
                                                {reinterpret_cast<const char*>(header.data()), header.size()});
    // One that is lent already has one count, which is that of one loan.
    if (!found || found->file.directory == directory_ || buffer_of(found->file.inode)) return false;
    const std::size_t slot = free_slot();
    if (slot == Mailbox::kLeases) return false;
    mark_.require();
    follow();
    const std::string name = hidden_path();
    if (!link_to(found->file, name)) return false;
    names_.changed();

    auto buffer = std::make_shared<Buffer>();
    buffer->file.memory = std::move(found->memory);
    buffer->file.identity = {found->file.inode, found->file.size, 2};
    buffer->path = buffer->place = name;
    buffer->slot = slot;
    buffer->lender = std::move(found->file.mailbox);
    auto& lease = mailbox_->own_leases()[slot];
    lease.count.store(0, std::memory_order_relaxed);
    lease.lent.store(1, std::memory_order_relaxed);
    lease.inode.store(buffer->file.identity.inode, std::memory_order_release);
    buffers_.push_back(buffer);
    has_loans_ = true;
    put_under(buffer, path, false);
    trim();
    return true;
}

/// The request that it was lent for has been answered.
bool TensorStore::is_over(const Buffer& loan) const {
    return loan.lent_for != 0 && std::find(in_flight_.begin(), in_flight_.end(), loan.lent_for) == in_flight_.end();
}

/// Those that the worker is done with.
void TensorStore::return_loans() {
    if (!has_loans_) return;
    has_loans_ = false;
    for (std::size_t i = 0; i < buffers_.size();) {
        const auto buffer = buffers_[i];  // a second owner, as is_unseen() counts on
        if (!buffer->lender || !is_over(*buffer) || !is_unseen(buffer)) {
            has_loans_ = has_loans_ || buffer->lender.has_value();
            ++i;
            continue;
        }
        follow();
        end_loan(buffer);
        names_.changed();
        release(buffer);
    }
}

/// The worker is done with a loan when its main_logic has come to its end, which is mostly just after the answer. It
/// holds none from then on, as what it keeps becomes its own. Until then the caller, who gets the answer now, must not
/// write to the tensor; so this waits, for a slice of the scheduler's and as long as a copy would have taken.
void TensorStore::await_loans() {
    constexpr std::chrono::milliseconds kSlice(5);
    constexpr std::uint64_t kBytesPerMicrosecond = 2000;
    const auto is_held = [this](const std::shared_ptr<Buffer>& buffer) {
        return buffer->lender && is_over(*buffer) &&
               mailbox_->own_leases()[buffer->slot].count.load(std::memory_order_acquire) > 0;
    };
    const auto start = Clock::now();
    for (const auto& buffer : buffers_) {
        const auto limit = kSlice + std::chrono::microseconds(buffer->file.identity.size / kBytesPerMicrosecond);
        while (is_held(buffer) && Clock::now() - start < limit) std::this_thread::yield();
    }
}

/// Takes the name away that the lender's file has here, and tells the lender.
void TensorStore::end_loan(const std::shared_ptr<Buffer>& buffer) {
    try {
        const auto found = platform::identify(buffer->path);
        if (found && found->inode == buffer->file.identity.inode) platform::remove_file(buffer->path);
    } catch (const std::system_error&) {
        // The directory has gone, and the name with it.
    }
    tell_names_changed(*buffer->lender);
    buffer->file.memory.reset();
}

/// What is under a tag stays there for the next worker, which may not be able to take loans, as a file of its own.
void TensorStore::own_loans() {
    for (std::size_t i = 0; i < buffers_.size();) {
        const auto buffer = buffers_[i];
        if (!buffer->lender) {
            ++i;
            continue;
        }
        const auto memory = buffer->file.memory;
        const std::string path = buffer->path;
        const auto found = platform::identify(path);
        const bool stays = !is_hidden(path) && found && found->inode == buffer->file.identity.inode;
        end_loan(buffer);
        buffers_.erase(buffers_.begin() + static_cast<std::ptrdiff_t>(i));
        if (!stays) continue;
        try {
            platform::write_atomic(path, {static_cast<const char*>(memory.get()), buffer->file.identity.size});
            if (const auto made = platform::identify(path)) files_[path] = made->inode;
        } catch (const std::system_error&) {
            // There is no room for it: whoever asks for the tag is told that there is none.
        }
    }
    has_loans_ = false;
}

}  // namespace tr::channel
