#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "channel/mailbox.h"
#include "tech_renaissance/export.h"

namespace tr::channel {

/// A file of a session that a tensor lies in, header and all.
struct TensorFile {
    std::string directory;  ///< of the session
    std::string path;       ///< a name that it has had there, and may have lost
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::weak_ptr<Mailbox> mailbox;  ///< of the session: who gives the file another name tells there
};

/// Which large tensors of this process lie in files of its sessions, so that one session can lend another's to its
/// worker: by a further name for the file, and no copy. One for the process; thread-safe.
class TR_API TensorFiles {
  public:
    /// Up to here a copy is quicker, and nothing is known of them: bytes of the file.
    static constexpr std::uint64_t kSmall = 1U << 20;

    static TensorFiles& of_process();

    /// A tensor has been made over a file of more than kSmall.
    /// @param start of the file as it is mapped
    /// @param memory of the tensor, and what keeps the file from being written to: known for as long as that lives
    void add(const void* start, const std::shared_ptr<void>& memory, TensorFile file);
    /// This process is a worker, and has mapped a file of its host's or its own.
    /// @param lease of the file: as long as it is counted there, nobody writes to it
    void add_buffer(const void* start, TensorFile file, Mailbox::Lease& lease);
    /// It is about to unmap it.
    void forget(const void* start);

    struct Found {
        std::shared_ptr<void> memory;  ///< the whole file; as long as it is held, nobody writes there
        TensorFile file;
        bool is_buffer = false;  ///< of this worker's own channels, and not a session's
    };
    /// The file that a tensor is all of.
    /// @param data its elements, which the caller holds
    /// @param header of the file that it would be
    std::optional<Found> find(const void* data, std::size_t bytes, std::string_view header);

  private:
    struct Known {
        TensorFile file;
        std::weak_ptr<void> memory;       ///< of the tensor
        Mailbox::Lease* lease = nullptr;  ///< instead of it, of a worker's buffer; in the file's mailbox
    };
    void forget_the_gone();

    std::mutex mutex_;
    std::unordered_map<const void*, Known> known_;  ///< by their starts
    std::size_t forget_at_ = 64;                    ///< entries, when those of tensors that have gone are dropped
};

/// Says in the file's session that it has one name more or less.
TR_API void tell_names_changed(const std::weak_ptr<Mailbox>& mailbox);

/// Gives a file a further name, which may lie in another session's directory.
/// @returns false where that cannot be done: it has no name any more, or is on another file system
TR_API bool link_to(const TensorFile& file, const std::string& name);

}  // namespace tr::channel
