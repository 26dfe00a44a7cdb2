// What the files of this side's buffers are called: under which tag one is, and names that are behind.
#include <algorithm>
#include <cstring>
#include <system_error>
#include <utility>

#include "channel/place_error.h"
#include "channel/tensor_store.h"
#include "protocol/names.h"

namespace tr::channel {

/// @returns false when the buffer has lost its name meanwhile, and nothing was done
bool TensorStore::put_under(const std::shared_ptr<Buffer>& buffer, const std::string& path, bool names_may_wait) {
    if (buffer->place == path || (names_may_wait && change_places(buffer, path))) return true;
    follow();
    // Of two names of one file, a rename would keep both.
    if (names_.names(path, buffer->file.identity.inode)) return true;
    mark_.require();
    if (is_hidden(buffer->path)) {
        if (take_place(buffer, path)) return true;
        set_aside(path);
        names_.rename(buffer->path, path);
        buffer->path = buffer->place = path;
        return true;
    }
    // Under a tag already: now under two, and never written in place while that is so.
    const std::string name = hidden_path();
    if (!add_name(buffer, name)) return false;
    set_aside(path);
    names_.rename(name, path);
    return true;
}

/// The buffer that is under the name gets the hidden one of the other.
/// @returns false when there is none, or the system cannot exchange names, and nothing was done
bool TensorStore::take_place(const std::shared_ptr<Buffer>& buffer, const std::string& path) {
    const auto old = buffer_at(path);
    if (!old || !names_.exchange(buffer->path, path)) return false;
    const std::string hidden = std::exchange(buffer->path, path);
    buffer->place = path;
    old->lost_in = last_in_flight();
    old->path = names_.names(hidden, old->file.identity.inode) ? hidden : "";
    old->place = old->path;
    if (old->path.empty()) names_.remove(hidden);  // a result that the worker had put there meanwhile
    return true;
}

/// The same, with the names left behind.
/// @returns false when the files are not what they were; nothing was done then
bool TensorStore::change_places(const std::shared_ptr<Buffer>& buffer, const std::string& path) {
    if (!names_.exchanges()) return false;
    const auto old = buffer_at(path);
    const auto file = file_at(path);  // which is the old one's, or that of another that has made way for it
    if (!is_hidden(buffer->place) || !old || !file || !has_its_name(*file) || !has_its_name(*buffer)) return false;
    old->lost_in = last_in_flight();
    buffer->place.swap(old->place);
    behind_ = true;
    return true;
}

std::shared_ptr<TensorStore::Buffer> TensorStore::file_at(const std::string& path) const {
    for (const auto& buffer : buffers_)
        if (buffer->path == path) return buffer;
    return nullptr;
}

bool TensorStore::has_its_name(const Buffer& buffer) {
    return names_.names(buffer.path, buffer.file.identity.inode);
}

/// Gives the files the names that are behind. Where the worker has put a result under a tag meanwhile, that is the
/// newer one.
void TensorStore::follow() {
    if (!behind_) return;
    for (const auto& buffer : buffers_) {
        if (buffer->place == buffer->path || is_hidden(buffer->place)) continue;
        const auto other = file_at(buffer->place);
        if (!other || !has_its_name(*other) || !has_its_name(*buffer)) continue;
        if (!names_.exchange(buffer->path, buffer->place))
            throw std::system_error(std::make_error_code(std::errc::io_error), "exchanging two names");
        buffer->path.swap(other->path);
    }
    for (const auto& buffer : buffers_) {
        if (buffer->place != buffer->path && !is_hidden(buffer->place)) buffer->lost_in = last_in_flight();
        buffer->place = buffer->path;
    }
    behind_ = false;
    followed_ = Clock::now();
}

std::string TensorStore::places() const {
    if (!behind_) return {};
    const auto name = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
    const std::lock_guard<std::mutex> lock(mutex_);
    std::string text;
    for (const auto& buffer : buffers_) {
        if (buffer->place == buffer->path || is_hidden(buffer->place)) continue;
        const std::string tag = name(buffer->place);
        text += (text.empty() ? "" : " ") + tag.substr(0, tag.size() - std::strlen(protocol::kTensorSuffix)) + " " +
                std::to_string(buffer->file.identity.inode) + " " + name(buffer->path);
    }
    return text;
}

void TensorStore::name_all() {
    if (!behind_) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    follow_or_say_why();
}

void TensorStore::follow_or_say_why() {
    try {
        follow();
    } catch (const std::system_error& error) {
        throw_place_error(error, directory_, 0);
    }
}

bool TensorStore::names_are_due(Clock::time_point now) const {
    constexpr std::chrono::milliseconds kLongEnough(50);
    if (!behind_) return false;
    const std::lock_guard<std::mutex> lock(mutex_);
    return now - followed_ >= kLongEnough;
}

/// @returns false when its name is not its own any more: the worker may put results under any tag, at any time
bool TensorStore::add_name(const std::shared_ptr<Buffer>& buffer, const std::string& name) {
    if (!names_.names(buffer->path, buffer->file.identity.inode)) return false;
    names_.link(buffer->path, name);
    if (names_.names(name, buffer->file.identity.inode)) return true;
    names_.remove(name);
    return false;
}

std::uint64_t TensorStore::last_in_flight() const {
    return in_flight_.empty() ? 0 : *std::max_element(in_flight_.begin(), in_flight_.end());
}

/// Keeps the buffer that is about to lose its name.
void TensorStore::set_aside(const std::string& path) {
    const auto old = buffer_at(path);
    if (!old) return;
    old->lost_in = last_in_flight();
    const std::string name = hidden_path();
    old->path = old->place = add_name(old, name) ? name : "";
}

}  // namespace tr::channel
