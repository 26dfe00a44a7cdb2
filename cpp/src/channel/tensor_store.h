#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "channel/directory_mark.h"
#include "channel/file_names.h"
#include "channel/mailbox.h"
#include "channel/tensor_files.h"
#include "platform/file.h"
#include "protocol/buffers.h"
#include "tech_renaissance/data/tensor.h"

namespace tr::channel {

/// The tensors of a session, host's side: files `<tag>.tsr` that the worker reads and writes too.
///
/// With a mailbox the files are shared memory. A buffer is a file that stays mapped; it is written again in place when
/// nobody can see what it holds: no lease of the worker, no tensor of this process, no second name, no request in
/// flight that may look it up. Otherwise another buffer gets the name, and this one waits to be used again. Without a
/// mailbox each send makes a new file, which never changes. See docs/protocol.md, "Tensors". Thread-safe.
///
/// Names may be behind: two buffers have changed places, requests tell where a tag's tensor lies, and the files follow
/// when somebody has the time.
class TensorStore {
  public:
    using Clock = std::chrono::steady_clock;

    TensorStore(std::string directory, DirectoryMark mark);
    ~TensorStore();
    TensorStore(const TensorStore&) = delete;
    TensorStore& operator=(const TensorStore&) = delete;

    /// A worker starts that may use this mailbox. Tensors that are held stay valid; what the dead worker held is free.
    void attach(std::shared_ptr<Mailbox> mailbox);
    /// The worker uses the mailbox, for its leases at least.
    void share();
    bool is_shared() const { return shared_; }
    /// It also reads where a tensor lies whose name is behind.
    void let_names_wait() { reads_places_ = true; }
    /// It also takes tensors of other sessions where they lie.
    void lend() { lends_ = true; }

    /// A request is about to be published: until it has ended, the worker may look tags up. Waits for a tensor that
    /// another thread is storing, maybe where the worker is going to look. Several may be in flight, in other channels.
    /// @param id of each another one, and not 0; a later request has a higher one
    /// @param with_names which have to be right for it
    void request_begins(std::uint64_t id, bool with_names = false);
    /// It has been answered, or there is nobody left to answer it.
    void request_ended(std::uint64_t id);

    /// What a tensor is put under a tag for.
    enum class For {
        itself,        ///< to be there until another is
        request,       ///< for the next request in this channel, while others may be in flight
        only_request,  ///< for the next one, which can tell where it lies, as there is no other
    };
    /// Puts a tensor under a tag. The memory of a tensor made by empty() is the file, so nothing is copied; nor of a
    /// large one that lies in a file of another session, which is lent for a request.
    void store(const TensorView& tensor, const std::string& tag, For purpose = For::itself);
    /// What a request has to tell of names that are behind; empty when none is.
    std::string places() const;
    bool names_are_behind() const { return behind_; }
    /// Has them follow.
    void name_all();
    /// A request has been answered at this time: what was lent for it goes back. When it is a while since tensors were
    /// sent, the memory that waits to be used again is given back.
    void rest(Clock::time_point now);
    /// They have not for a while: who looks at the files is to see what is.
    bool names_are_due(Clock::time_point now) const;
    /// A tensor, not initialised, that can be sent under the tag without a copy. It is shared with the worker: who
    /// writes to it while the other side reads it shows it half a change.
    Tensor empty(const Shape& shape, DType dtype, const std::string& tag);
    /// The tensor under a tag; nobody writes to its memory as long as it is held.
    /// @param places where the worker says that tensors lie
    /// @throws NotFoundError when there is none, TSRError when it is malformed
    Tensor load(const std::string& tag, const std::vector<protocol::BufferPlace>& places = {});
    bool has(const std::string& tag) const;
    /// Of all its files, the worker's too, and those that wait to be used again.
    std::uint64_t bytes_held() const;
    /// A file that is no buffer of ours; nothing when there is none.
    void remove(const std::string& tag);

  private:
    /// A file of ours, mapped. A tensor over it shares its ownership, so its use count tells who holds it.
    struct Buffer {
        platform::SharedFile file;
        std::string path;   ///< empty when the worker has put a result under the only name it had
        std::string place;  ///< the path that it is to have, where names are behind; else the same
        std::size_t slot = 0;
        bool is_made = false;  ///< by empty(): what its holder writes to it the worker is to see
        bool is_kept = false;  ///< under a tag that was sent by itself, and not for one request
        /// The last request that was in flight when it lost its tag, or 0. As long as that or one before it is, the
        /// worker may be about to look at what it found there.
        std::uint64_t lost_in = 0;
        /// Of a loan: mailbox of the session that the file is of. Nobody writes there as long as its memory is held.
        std::optional<std::weak_ptr<Mailbox>> lender;
        std::uint64_t lent_for = 0;  ///< the request that this is for; 0 until it begins
    };
    /// A file of the worker's, mapped.
    struct PeerFile {
        platform::SharedFile file;
        std::size_t slot = 0;
    };

    std::string path_of(const std::string& tag) const;
    static bool is_hidden(const std::string& path);
    std::string hidden_path();
    bool is_unseen(const std::shared_ptr<Buffer>& buffer) const;
    bool is_sent_back(const Buffer& buffer) const;
    bool is_free(const std::shared_ptr<Buffer>& buffer);
    std::shared_ptr<Buffer> buffer_at(const std::string& path) const;
    std::shared_ptr<Buffer> buffer_of(std::uint64_t inode) const;
    std::shared_ptr<Buffer> buffer_over(const void* data) const;
    std::shared_ptr<Buffer> buffer_of(const TensorView& tensor, const std::vector<unsigned char>& header,
                                      const std::string& path);
    bool borrow(const TensorView& tensor, const std::vector<unsigned char>& header, const std::string& path);
    bool is_over(const Buffer& loan) const;
    void return_loans();
    void await_loans();
    void end_loan(const std::shared_ptr<Buffer>& buffer);
    void own_loans();
    void remember(const std::shared_ptr<void>& tensor, const platform::SharedFile& file, const std::string& path) const;
    std::shared_ptr<Buffer> take_buffer(std::uint64_t bytes, const std::string& path);
    std::shared_ptr<Buffer> spare_buffer(std::uint64_t bytes);
    std::shared_ptr<Buffer> make_buffer(std::uint64_t bytes);
    std::size_t free_slot() const;
    bool put_under(const std::shared_ptr<Buffer>& buffer, const std::string& path, bool names_may_wait);
    bool take_place(const std::shared_ptr<Buffer>& buffer, const std::string& path);
    bool change_places(const std::shared_ptr<Buffer>& buffer, const std::string& path);
    bool has_its_name(const Buffer& buffer);
    std::shared_ptr<Buffer> file_at(const std::string& path) const;
    void follow();
    void follow_or_say_why();
    std::uint64_t last_in_flight() const;
    bool add_name(const std::shared_ptr<Buffer>& buffer, const std::string& name);
    void set_aside(const std::string& path);
    void remove_leftovers() const;
    void withdraw_large();
    void trim();
    std::uint64_t trim(std::uint64_t keep);
    void release(const std::shared_ptr<Buffer>& buffer);
    Tensor load_from(const std::string& path, const std::string& tag, const protocol::BufferPlace* place);
    const PeerFile* peer_file_at(const protocol::BufferPlace& place, const std::string& path);
    Tensor tensor_over(const std::shared_ptr<Buffer>& buffer, const std::string& path) const;
    Tensor result_over(const std::shared_ptr<Buffer>& buffer, const std::string& path) const;
    Tensor load_private(const std::string& path, const std::string& tag) const;
    Tensor load_leased(const PeerFile& file, const std::string& path) const;
    const PeerFile* peer_file(std::uint64_t inode, const std::string& path);

    std::string directory_;
    DirectoryMark mark_;
    mutable std::mutex mutex_;
    std::shared_ptr<Mailbox> mailbox_;
    FileNames names_;
    std::atomic<bool> shared_{false};
    std::atomic<bool> reads_places_{false};  ///< the worker does
    std::atomic<bool> lends_{false};         ///< the worker takes loans
    std::atomic<bool> has_loans_{false};
    std::atomic<bool> behind_{false};
    Clock::time_point followed_{};
    std::atomic<Clock::time_point> stored_{};  ///< when a buffer was last asked for; the epoch of the clock: none since
    std::unordered_map<std::string, std::uint64_t>
        told_;  ///< inodes of results, by paths that their files may lack yet
    std::unordered_map<std::string, std::uint64_t>
        files_;                             ///< inodes of tensors for one request that are no buffers, by their paths
    std::vector<std::uint64_t> in_flight_;  ///< ids of requests
    std::vector<std::shared_ptr<Buffer>> buffers_;
    std::unordered_map<std::uint64_t, PeerFile> peer_files_;  ///< by inode
    std::uint64_t hidden_count_ = 0;
};

}  // namespace tr::channel
