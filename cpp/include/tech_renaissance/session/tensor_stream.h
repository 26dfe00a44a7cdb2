#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <variant>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/export.h"
#include "tech_renaissance/session/result.h"

namespace tr {

namespace detail {
struct SessionAccess;
}

/// The tensors of one request that is answered in parts, in the order sent; from PythonSession::stream().
///
/// The worker is at most one part ahead of what was read. The stream holds a channel of the session: where there is no
/// other (SessionOptions::max_ongoing_requests), other threads' calls wait until it has ended or is destroyed, and the
/// thread that reads it must not make others meanwhile. Destroying it early cancels it; restart() ends it as a
/// death does. It must not outlive its session; used by one thread at a time.
class TR_API TensorStream {
  public:
    ~TensorStream();
    TensorStream(TensorStream&&) noexcept;
    TensorStream& operator=(TensorStream&&) noexcept;
    TensorStream(const TensorStream&) = delete;
    TensorStream& operator=(const TensorStream&) = delete;

    /// Waits for the next tensor; nothing when the stream has ended.
    /// @throws what the answer carries when the server failed, RestartError; TimeoutError, after which it may be called
    ///         again. Any other exception ends the stream.
    ///         InputError for a part with values, which next_part() reads
    std::optional<Tensor> next();
    /// The next part as a whole, as call() gives a result: what an endpoint has yielded at once, tensors, values and
    /// texts. Errors as of next(); InputError while that is in the midst of a part.
    std::optional<Result> next_part();
    /// Of an endpoint the next part, of another command the next tensor.
    std::optional<std::variant<Tensor, Result>> next_item();
    /// next() would not wait: a tensor has come, the end, or what has ended it.
    bool is_ready() const;
    /// The server is stopped at its next part. What was on its way is dropped.
    void cancel();

    /// For range-based loops, once.
    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Tensor;
        using difference_type = std::ptrdiff_t;
        using pointer = const Tensor*;
        using reference = const Tensor&;

        iterator() = default;
        explicit iterator(TensorStream* stream) : stream_(stream), current_() { ++*this; }
        iterator(const iterator&) = default;
        iterator& operator=(const iterator&) = default;
        const Tensor& operator*() const { return *current_; }
        const Tensor* operator->() const { return &*current_; }
        iterator& operator++() {
            current_.reset();  // before the next is waited for, so that its memory can be used for it
            current_ = stream_->next();
            if (!current_) stream_ = nullptr;
            return *this;
        }
        iterator operator++(int) {
            const iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const iterator& a, const iterator& b) { return a.stream_ == b.stream_; }
        friend bool operator!=(const iterator& a, const iterator& b) { return !(a == b); }

      private:
        TensorStream* stream_ = nullptr;
        std::optional<Tensor> current_{};
    };
    iterator begin() { return iterator(this); }
    iterator end() { return {}; }

  private:
    friend class PythonSession;
    friend struct detail::SessionAccess;
    struct State;
    explicit TensorStream(std::unique_ptr<State> state);
    bool fetch();
    void note_given();
    std::unique_ptr<State> state_;
};

}  // namespace tr
