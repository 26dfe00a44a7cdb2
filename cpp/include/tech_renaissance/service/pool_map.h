#pragma once

#include <cstddef>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <vector>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/export.h"
#include "tech_renaissance/worker/limit.h"

namespace tr {

class PoolCalls;

struct TR_API MapOptions {
    /// Of each call, from when it is put into the queue; as for PythonSession.
    Limit limit = {};
    /// How many calls there are beyond the one whose result is read next; 0: as the workers take at a time, and one
    /// more for each worker.
    std::size_t look_ahead = 0;
    /// Gets how many results have been read, and of how many, 0 where that is not known; on the thread that reads.
    std::function<void(std::size_t done, std::size_t of)> progress = {};
};

/// The results of one command on many inputs, in the order of these, from PoolCalls::map(). Inputs are read, and calls
/// made, while results are read: at most `look_ahead` beyond them.
///
/// An error of a call, or of the inputs, is thrown in its place, after the results before it, and ends the map; calls
/// that were made beyond it are cancelled, as they are when this is destroyed early. One thread at a time; it must not
/// be read when its pool has gone.
class TR_API PoolMap {
  public:
    /// The tensors of one call; nothing at the end.
    using Source = std::function<std::optional<std::vector<Tensor>>()>;

    ~PoolMap();
    PoolMap(PoolMap&&) noexcept;
    PoolMap& operator=(PoolMap&&) noexcept;
    PoolMap(const PoolMap&) = delete;
    PoolMap& operator=(const PoolMap&) = delete;

    /// Waits for the next result; nothing at the end.
    std::optional<Tensor> next();
    /// Of results; 0 where that is not known.
    std::size_t size() const;
    /// All that are left.
    std::vector<Tensor> collect();
    /// Gives up what has not been read.
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
        explicit iterator(PoolMap* map) : map_(map), current_() { ++*this; }
        iterator(const iterator&) = default;
        iterator& operator=(const iterator&) = default;
        const Tensor& operator*() const { return *current_; }
        const Tensor* operator->() const { return &*current_; }
        iterator& operator++() {
            current_ = map_->next();
            if (!current_) map_ = nullptr;
            return *this;
        }
        iterator operator++(int) {
            const iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const iterator& a, const iterator& b) { return a.map_ == b.map_; }
        friend bool operator!=(const iterator& a, const iterator& b) { return !(a == b); }

      private:
        PoolMap* map_ = nullptr;
        std::optional<Tensor> current_{};
    };
    iterator begin() { return iterator(this); }
    iterator end() { return {}; }

  private:
    friend class PoolCalls;
    struct State;
    explicit PoolMap(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace tr
