#include "tech_renaissance/data/tensor.h"

#include <cstring>
#include <iostream>
#include <new>
#include <utility>

#include "data/byte_count.h"
#include "data/visit_dtype.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

namespace {

// A cache line and the widest vector register; also what the data of a .tsr file is aligned to.
constexpr std::align_val_t kAlignment{64};

std::shared_ptr<void> allocate(const Shape& shape, DType dtype) {
    const std::size_t bytes = byte_count(shape, dtype);
    if (bytes == 0) return nullptr;
    try {
        return {::operator new(bytes, kAlignment), [](void* memory) { ::operator delete(memory, kAlignment); }};
    } catch (const std::bad_alloc&) {
        throw InputError("there is no memory for a tensor " + tr::to_string(dtype) + " " + shape.to_string() + " of " +
                             std::to_string(bytes) + " bytes: expected a size that this machine can hold",
                         ErrorCode::request_too_large);
    }
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
    if (!device.is_cpu())
        throw InputError("cannot make a tensor on " + device.str() +
                         ": the tensors of this library are in main memory, so make it on the CPU; a worker may move "
                         "it to " +
                         device.name() + " and back");
    return from_storage(allocate(shape, dtype), shape, dtype);
}

Tensor Tensor::from_data(const void* data, const Shape& shape, DType dtype) {
    const TensorView view(data, shape, dtype);
    Tensor result = empty(shape, dtype);
    if (view.nbytes() != 0) std::memcpy(result.raw_data(), data, view.nbytes());
    return result;
}

Tensor Tensor::from_storage(std::shared_ptr<void> storage, const Shape& shape, DType dtype) {
    const TensorView view(storage.get(), shape, dtype);
    const std::size_t alignment = visit_dtype(dtype, [](auto tag) { return alignof(typename decltype(tag)::type); });
    if (reinterpret_cast<std::uintptr_t>(storage.get()) % alignment != 0) {
        throw InputError("cannot adopt memory for " + tr::to_string(dtype) +
                         " elements, expected an address that is "
                         "a multiple of " +
                         std::to_string(alignment) + "; copy it with from_data instead");
    }
    Tensor result;
    result.storage_ = std::move(storage);
    result.shape_ = shape;
    result.dtype_ = dtype;
    result.numel_ = view.numel();
    result.defined_ = true;
    return result;
}

const Shape& Tensor::shape() const {
    require_defined("take the shape of");
    return shape_;
}

DType Tensor::dtype() const {
    require_defined("take the dtype of");
    return dtype_;
}

Device Tensor::device() const {
    require_defined("take the device of");
    return CPU;
}

std::int64_t Tensor::numel() const {
    require_defined("count the elements of");
    return numel_;
}

std::size_t Tensor::nbytes() const {
    require_defined("count the bytes of");
    return static_cast<std::size_t>(numel_) * tr::dtype_size(dtype_);
}

void* Tensor::raw_data() {
    require_defined("take the data of");
    return storage_.get();
}

const void* Tensor::raw_data() const {
    require_defined("take the data of");
    return storage_.get();
}

Tensor Tensor::clone() const {
    require_defined("clone");
    return from_data(storage_.get(), shape_, dtype_);
}

Tensor Tensor::reshape(const Shape& shape) const {
    require_defined("reshape");
    if (shape.numel() != numel_) {
        throw InputError("cannot reshape " + shape_.to_string() + " to " + shape.to_string() + ": it has " +
                         std::to_string(numel_) + " elements, expected a shape of as many and not " +
                         std::to_string(shape.numel()));
    }
    Tensor result = *this;
    result.shape_ = shape;
    return result;
}

void Tensor::print(const std::string& name, int precision) const {
    if (!name.empty()) std::cout << name << ":\n";
    std::cout << to_string(precision) << '\n';
}

void Tensor::print(const std::string& name, std::ostream& out) const {
    if (!name.empty()) out << name << ":\n";
    out << to_string() << '\n';
}

void Tensor::summary(const std::string& name) const {
    if (!name.empty()) std::cout << name << ": ";
    if (!defined_)
        std::cout << "undefined\n";
    else
        std::cout << dtype_ << ' ' << shape_ << ", " << numel_ << (numel_ == 1 ? " element, " : " elements, ")
                  << nbytes() << " bytes, " << device() << '\n';
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
    return out << tensor.to_string();
}

void Tensor::from_cpu_data(const void* data, std::size_t bytes) {
    require_bytes(data, bytes);
    if (bytes != 0) std::memcpy(raw_data(), data, bytes);
}

void Tensor::to_cpu_data(void* data, std::size_t bytes) const {
    require_bytes(data, bytes);
    if (bytes != 0) std::memcpy(data, raw_data(), bytes);
}

void Tensor::require_bytes(const void* data, std::size_t bytes) const {
    if (bytes == nbytes() && (data != nullptr || bytes == 0)) return;
    throw InputError("cannot copy " + std::to_string(bytes) + " bytes " +
                     (data == nullptr ? "at a null pointer " : "") + "for a tensor " + tr::to_string(dtype_) + " " +
                     shape_.to_string() + ", expected just as many as " + "its elements take, " +
                     std::to_string(nbytes()));
}

void Tensor::require_count(const Shape& shape, std::size_t count) {
    if (static_cast<std::uint64_t>(shape.numel()) != count) {
        throw InputError("cannot make a tensor of the shape " + shape.to_string() + " from " + std::to_string(count) +
                         " values, expected " + std::to_string(shape.numel()));
    }
}

void Tensor::require_defined(const char* action) const {
    if (!defined_) {
        throw InputError(std::string("cannot ") + action +
                         " an undefined tensor; assign it one first, such as Tensor::zeros(shape)");
    }
}

void Tensor::require_dtype(DType wanted) const {
    require_defined("take the data of");
    if (dtype_ != wanted) {
        throw InputError("cannot take the data of a tensor of dtype " + tr::to_string(dtype_) + " as " +
                         tr::to_string(wanted) + "; ask for the C++ type of " + tr::to_string(dtype_));
    }
}

void Tensor::require_single() const {
    if (numel() != 1) {
        throw InputError("cannot take the item of a tensor of the shape " + shape_.to_string() + ": it has " +
                         std::to_string(numel_) + " elements, expected 1");
    }
}

}  // namespace tr
