#include "channel/tensor_files.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "platform/file.h"
#include "platform/fork.h"

namespace tr::channel {
namespace {

/// A name that the file has now; empty when it has none in its directory.
std::string name_of(const TensorFile& file) {
    const auto is_it = [&file](const std::string& path) {
        const auto found = platform::identify(path);
        return found && found->inode == file.inode;
    };
    if (is_it(file.path)) return file.path;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(file.directory, error))
        if (const std::string path = entry.path().string(); is_it(path)) return path;
    return {};
}

/// A buffer, mapped, with a lease; empty when it has no name, or is none any more.
std::shared_ptr<void> leased(const TensorFile& file, Mailbox::Lease& lease) {
    const auto mailbox = file.mailbox.lock();
    if (!mailbox) return nullptr;
    lease.count.fetch_add(1, std::memory_order_acq_rel);
    const auto give_back = [&lease, mailbox, generation = platform::fork_generation()] {
        if (platform::fork_generation() == generation) lease.count.fetch_sub(1, std::memory_order_acq_rel);
    };
    platform::SharedFile mapped;
    try {
        const std::string name = name_of(file);
        if (!name.empty()) mapped = platform::map_shared(name);
    } catch (const std::system_error&) {
        // A copy will do, or tell what is wrong.
    }
    if (!mapped.memory || mapped.identity.inode != file.inode || lease.inode != file.inode) {
        give_back();
        return nullptr;
    }
    return {mapped.memory.get(), [memory = mapped.memory, give_back](void*) { give_back(); }};
}

}  // namespace

TensorFiles& TensorFiles::of_process() {
    static auto* const files = new TensorFiles;  // tensors may outlive what is destroyed at the process's end
    return *files;
}

void TensorFiles::add(const void* start, const std::shared_ptr<void>& memory, TensorFile file) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (known_.size() >= forget_at_) forget_the_gone();
    known_.insert_or_assign(start, Known{std::move(file), memory});
}

void TensorFiles::add_buffer(const void* start, TensorFile file, Mailbox::Lease& lease) {
    const std::lock_guard<std::mutex> lock(mutex_);
    known_.insert_or_assign(start, Known{std::move(file), {}, &lease});
}

void TensorFiles::forget(const void* start) {
    const std::lock_guard<std::mutex> lock(mutex_);
    known_.erase(start);
}

std::optional<TensorFiles::Found> TensorFiles::find(const void* data, std::size_t bytes, std::string_view header) {
    const void* start = static_cast<const char*>(data) - header.size();
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto entry = known_.find(start);
    if (entry == known_.end() || entry->second.file.size != header.size() + bytes) return std::nullopt;
    const auto& known = entry->second;
    Found found{nullptr, known.file, known.lease != nullptr};
    if (found.is_buffer)
        found.memory = leased(known.file, *known.lease);
    else if (auto memory = known.memory.lock())
        found.memory = std::shared_ptr<void>(std::move(memory), const_cast<void*>(start));
    if (!found.memory || std::memcmp(found.memory.get(), header.data(), header.size()) != 0) return std::nullopt;
    return found;
}

void TensorFiles::forget_the_gone() {
    for (auto entry = known_.begin(); entry != known_.end();)
        entry =
            entry->second.lease == nullptr && entry->second.memory.expired() ? known_.erase(entry) : std::next(entry);
    forget_at_ = std::max<std::size_t>(64, 2 * known_.size());
}

void tell_names_changed(const std::weak_ptr<Mailbox>& mailbox) {
    if (const auto there = mailbox.lock()) there->tell_names_changed();
}

bool link_to(const TensorFile& file, const std::string& name) {
    // It may be renamed between the look and the link, so what came of it is looked at as well.
    for (int attempt = 0; attempt < 2; ++attempt) {
        const std::string known = name_of(file);
        if (known.empty()) return false;
        try {
            platform::link_file(known, name);
        } catch (const std::system_error&) {
            continue;
        }
        const auto made = platform::identify(name);
        if (made && made->inode == file.inode) {
            tell_names_changed(file.mailbox);
            return true;
        }
        platform::remove_file(name);
    }
    return false;
}

}  // namespace tr::channel
