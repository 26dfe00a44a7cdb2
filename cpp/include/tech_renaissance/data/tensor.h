#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "tech_renaissance/data/device.h"
#include "tech_renaissance/data/dtype.h"
#include "tech_renaissance/data/shape.h"
#include "tech_renaissance/data/tensor_view.h"
#include "tech_renaissance/export.h"

namespace tr {

/// A dense array of elements of one type, contiguous, outermost dimension first.
///
/// Copies are shallow: they share one memory, which is freed with the last of them; clone() makes a deep copy. The
/// memory of tensors made here starts at a multiple of 64 bytes. A tensor may be read by any number of threads; who
/// writes to it needs it alone, as with any plain memory.
///
/// Every factory makes FP32 unless told otherwise.
class TR_API Tensor {
  public:
    /// An undefined tensor: no shape, type or memory. Most methods refuse it with InputError.
    Tensor() noexcept = default;

    /// Elements are not initialised.
    /// @throws InputError (each factory) when the size in bytes overflows, the machine has not as much memory, or the
    ///         device is another than the CPU.
    static Tensor empty(const Shape& shape, DType dtype = DType::FP32, Device device = CPU);
    /// `value` is any element type.
    /// @throws InputError when the dtype cannot hold it: out of an integer's range, or complex where a real is wanted.
    template <class T>
    static Tensor full(const Shape& shape, T value, DType dtype = DType::FP32, Device device = CPU) {
        return full_like_scalar(shape, TensorView(&value, Shape()), dtype, device);
    }
    static Tensor zeros(const Shape& shape, DType dtype = DType::FP32, Device device = CPU);
    static Tensor ones(const Shape& shape, DType dtype = DType::FP32, Device device = CPU);
    /// 0, 1, ... up to but not including `end`.
    static Tensor arange(double end, DType dtype = DType::FP32, Device device = CPU);
    /// start, start + step, ... up to but not including `end`.
    static Tensor arange(double start, double end, double step = 1, DType dtype = DType::FP32, Device device = CPU);
    /// Uniform in [0, 1), FP32. The same seed gives the same numbers on every platform.
    static Tensor rand(const Shape& shape, std::uint64_t seed = 0, Device device = CPU);
    /// Standard normal, FP32. The same seed gives the same numbers wherever the C library's logarithm, sine and cosine
    /// agree: all but the last digit everywhere.
    static Tensor randn(const Shape& shape, std::uint64_t seed = 0, Device device = CPU);
    /// Uniform in [low, high), FP32; from the same numbers as rand().
    /// @throws InputError when a limit is not finite, or low is over high
    static Tensor uniform(const Shape& shape, double low = 0, double high = 1, std::uint64_t seed = 0,
                          Device device = CPU);
    /// Whole numbers, each of low, low + 1, ..., high - 1 as likely as another. The same seed gives the same numbers
    /// on every platform.
    /// @throws InputError when there is no number between, or the dtype cannot hold them
    static Tensor randint(const Shape& shape, std::int64_t low, std::int64_t high, DType dtype = DType::FP32,
                          std::uint64_t seed = 0, Device device = CPU);
    static Tensor randint(const Shape& shape, std::int64_t low, std::int64_t high, std::uint64_t seed,
                          Device device = CPU) {
        return randint(shape, low, high, DType::FP32, seed, device);
    }
    /// The order of PyTorch.
    static Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, std::uint64_t seed = 0,
                          Device device = CPU) {
        return randint(shape, low, high, DType::FP32, seed, device);
    }

    /// Copies the elements; without a shape the tensor has one dimension.
    /// @throws InputError when the shape does not have exactly as many elements.
    template <class T>
    static Tensor from_vector(const std::vector<T>& values) {
        return from_range(values, Shape(values.size()));
    }
    template <class T>
    static Tensor from_vector(const std::vector<T>& values, const Shape& shape) {
        return from_range(values, shape);
    }
    template <class T>
    static Tensor from_vector(std::initializer_list<T> values) {
        return from_range(values, Shape(values.size()));
    }
    template <class T>
    static Tensor from_vector(std::initializer_list<T> values, const Shape& shape) {
        return from_range(values, shape);
    }
    template <class T, std::size_t count>
    static Tensor from_vector(const std::array<T, count>& values) {
        return from_range(values, Shape(count));
    }
    template <class T, std::size_t count>
    static Tensor from_vector(const std::array<T, count>& values, const Shape& shape) {
        return from_range(values, shape);
    }
    /// Rows, of two dimensions; none at all are of shape (0, 0).
    /// @throws InputError when they are not of one length.
    template <class T>
    static Tensor from_vector(const std::vector<std::vector<T>>& rows) {
        const std::size_t columns = rows.empty() ? 0 : rows.front().size();
        std::vector<T> values;
        values.reserve(rows.size() * columns);
        for (const auto& row : rows) {
            require_count(Shape(columns), row.size());
            values.insert(values.end(), row.begin(), row.end());
        }
        return from_range(values, Shape(rows.size(), columns));
    }
    /// Copies as many elements as the shape has from `data`.
    static Tensor from_data(const void* data, const Shape& shape, DType dtype);
    template <class T>
    static Tensor from_data(const T* data, const Shape& shape) {
        return from_data(data, shape, detail::element_dtype<T>());
    }
    /// Adopts memory: nothing is copied, and the last tensor that shares it drops the pointer. It must be aligned for
    /// the type and hold all elements.
    static Tensor from_storage(std::shared_ptr<void> storage, const Shape& shape, DType dtype);

    bool defined() const noexcept { return defined_; }
    const Shape& shape() const;
    DType dtype() const;
    Device device() const;
    std::int64_t numel() const;
    std::size_t nbytes() const;

    /// The elements, outermost dimension first; valid while any tensor shares this memory.
    /// @throws InputError when T is not the type of the elements.
    template <class T>
    T* data() {
        require_dtype(detail::element_dtype<T>());
        return static_cast<T*>(storage_.get());
    }
    template <class T>
    const T* data() const {
        require_dtype(detail::element_dtype<T>());
        return static_cast<const T*>(storage_.get());
    }
    void* raw_data();
    const void* raw_data() const;
    /// What keeps the memory alive, for code that hands it on.
    const std::shared_ptr<void>& storage() const noexcept { return storage_; }

    /// The one element.
    /// @throws InputError when there is not exactly one, or T is not its type.
    template <class T>
    T item() const {
        require_single();
        return *data<T>();
    }

    /// A deep copy.
    Tensor clone() const;
    /// The same memory under another shape.
    /// @throws InputError when the number of elements differs.
    Tensor reshape(const Shape& shape) const;

    /// Every element within `atol + rtol * |other|` of the other's; shape and dtype must be the same. As in PyTorch,
    /// infinities are close only to themselves and NaN to nothing, unless `equal_nan`. Complex elements are compared
    /// by the size of their difference, integers without rounding the difference away.
    /// @param report when given and the answer is no, says why: how many differ, the first and the worst of them
    bool is_close(const TensorView& other, double rtol = 1e-5, double atol = 1e-8, std::string* report = nullptr,
                  bool equal_nan = false) const;
    /// Same shape, dtype and values; NaN equals nothing, and -0 equals 0.
    bool equal(const TensorView& other, std::string* report = nullptr) const;

    /// PyTorch's notation, summarised past 1000 elements. "undefined" when undefined.
    /// @param precision digits behind the point, 0 to 17
    std::string to_string(int precision = 4) const;
    /// The name, a colon and the tensor on the next line, to standard output; no first line when the name is empty.
    void print(const std::string& name = {}, int precision = 4) const;
    void print(const std::string& name, std::ostream& out) const;
    /// The name, a colon, and shape, dtype and size on one line, to standard output.
    void summary(const std::string& name = {}) const;

    // By the names that programs for the older bridge use.
    int ndim() const { return shape().ndim(); }
    std::int64_t dim_size(std::int64_t index) const { return shape().dim(index); }
    std::int64_t batch() const { return shape().n(); }
    std::int64_t channel() const { return shape().c(); }
    std::int64_t height() const { return shape().h(); }
    std::int64_t width() const { return shape().w(); }
    std::size_t memory_size() const { return nbytes(); }
    std::size_t dtype_size() const { return tr::dtype_size(dtype()); }
    /// Undefined, or without elements.
    bool is_empty() const noexcept { return numel_ == 0; }
    bool is_scalar() const { return shape().is_scalar(); }
    bool is_contiguous() const noexcept { return true; }
    /// Null when there are no elements.
    void* data_ptr() noexcept { return storage_.get(); }
    const void* data_ptr() const noexcept { return storage_.get(); }
    /// The same memory, in another tensor.
    Tensor view() const { return *this; }
    Tensor view(const Shape& shape) const { return reshape(shape); }
    /// Copies `bytes` to or from the elements.
    /// @throws InputError when it is not just as many as they take
    void from_cpu_data(const void* data, std::size_t bytes);
    void to_cpu_data(void* data, std::size_t bytes) const;
    /// As equal(); two undefined tensors are equal.
    friend bool operator==(const Tensor& left, const Tensor& right) {
        return left.defined_ && right.defined_ ? left.equal(right) : left.defined_ == right.defined_;
    }
    friend bool operator!=(const Tensor& left, const Tensor& right) { return !(left == right); }

  private:
    template <class Values>
    static Tensor from_range(const Values& values, const Shape& shape) {
        using T = typename Values::value_type;
        require_count(shape, values.size());
        Tensor result = empty(shape, detail::element_dtype<T>());
        // Element by element for std::vector<bool>, which has no array inside; compilers make a memcpy of the rest.
        if constexpr (detail::is_element_v<T>)
            if (values.size() != 0) std::copy(values.begin(), values.end(), result.data<T>());
        return result;
    }
    static Tensor full_like_scalar(const Shape& shape, const TensorView& value, DType dtype, Device device);
    void require_bytes(const void* data, std::size_t bytes) const;
    static void require_count(const Shape& shape, std::size_t count);
    void require_defined(const char* action) const;
    void require_dtype(DType wanted) const;
    void require_single() const;

    std::shared_ptr<void> storage_;
    Shape shape_;
    DType dtype_ = DType::FP32;
    std::int64_t numel_ = 0;
    bool defined_ = false;
};

/// As Tensor::to_string().
TR_API std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace tr
