#pragma once

/// Tensors as tensors of libtorch, and the other way round, sharing memory. Needs libtorch 2.3 or later; not part of
/// tech_renaissance.h.

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include <memory>
#include <string>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/data/tensor_view.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

/// @throws InputError when `dtype` was made from a number that is none
inline at::ScalarType to_torch_dtype(DType dtype) {
    switch (dtype) {
        case DType::FP32:
            return at::kFloat;
        case DType::INT8:
            return at::kChar;
        case DType::INT32:
            return at::kInt;
        case DType::FP16:
            return at::kHalf;
        case DType::BF16:
            return at::kBFloat16;
        case DType::FP64:
            return at::kDouble;
        case DType::INT16:
            return at::kShort;
        case DType::UINT8:
            return at::kByte;
        case DType::INT64:
            return at::kLong;
        case DType::BOOL:
            return at::kBool;
        case DType::UINT16:
            return at::kUInt16;
        case DType::UINT32:
            return at::kUInt32;
        case DType::UINT64:
            return at::kUInt64;
        case DType::COMPLEX64:
            return at::kComplexFloat;
        case DType::COMPLEX128:
            return at::kComplexDouble;
        case DType::FP8_E4M3FN:
            return at::kFloat8_e4m3fn;
        case DType::FP8_E5M2:
            return at::kFloat8_e5m2;
    }
    throw InputError("cannot give a tensor of dtype " + to_string(dtype) + " to libtorch: there is no such dtype");
}

/// @throws InputError for a type that no tensor of this library holds, such as the quantised ones
inline DType from_torch_dtype(at::ScalarType type) {
    switch (type) {
        case at::kFloat:
            return DType::FP32;
        case at::kChar:
            return DType::INT8;
        case at::kInt:
            return DType::INT32;
        case at::kHalf:
            return DType::FP16;
        case at::kBFloat16:
            return DType::BF16;
        case at::kDouble:
            return DType::FP64;
        case at::kShort:
            return DType::INT16;
        case at::kByte:
            return DType::UINT8;
        case at::kLong:
            return DType::INT64;
        case at::kBool:
            return DType::BOOL;
        case at::kUInt16:
            return DType::UINT16;
        case at::kUInt32:
            return DType::UINT32;
        case at::kUInt64:
            return DType::UINT64;
        case at::kComplexFloat:
            return DType::COMPLEX64;
        case at::kComplexDouble:
            return DType::COMPLEX128;
        case at::kFloat8_e4m3fn:
            return DType::FP8_E4M3FN;
        case at::kFloat8_e5m2:
            return DType::FP8_E5M2;
        default:
            throw InputError(std::string("cannot take a libtorch tensor of dtype ") + c10::toString(type) +
                             ", which no tr::Tensor holds; convert it with .to(at::kFloat) or another dtype");
    }
}

/// A libtorch tensor over the same memory, which it keeps alive: the tr::Tensor may go first.
/// @throws InputError when the tensor is undefined
inline at::Tensor to_torch(const Tensor& tensor) {
    const Shape& shape = tensor.shape();
    Tensor shared = tensor;
    void* const data = shared.raw_data();
    return at::from_blob(
        data, at::IntArrayRef(shape.begin(), shape.end()), [shared](void*) {},
        at::TensorOptions(to_torch_dtype(tensor.dtype())));
}

namespace detail {

/// Throws InputError unless the elements of the tensor lie in main memory as those of a tr::Tensor do.
inline void require_plain(const at::Tensor& tensor) {
    const auto refuse = [](const std::string& seen, const std::string& remedy) {
        throw InputError("cannot take a libtorch tensor " + seen + ", expected a dense one on the CPU; " + remedy);
    };
    if (!tensor.defined()) refuse("that is undefined", "assign it one first");
    if (!tensor.device().is_cpu()) refuse("on the device " + tensor.device().str(), "move it with .cpu()");
    if (tensor.is_nested()) refuse("that is nested", "pad it with at::nested_to_padded_tensor()");
    if (tensor.layout() != at::kStrided) refuse("that is sparse or packed", "convert it with .to_dense()");
    if (!tensor.is_contiguous()) {
        const Shape shape(tensor.sizes().data(), tensor.sizes().size());
        refuse("of the shape " + shape.to_string() + " that is not contiguous", "copy it with .contiguous()");
    }
    // Such a tensor shows other values than those in its memory.
    if (tensor.is_conj()) refuse("that is a lazy conjugate", "copy it with .resolve_conj()");
    if (tensor.is_neg()) refuse("that is a lazy negative", "copy it with .resolve_neg()");
}

}  // namespace detail

/// The memory of a contiguous libtorch tensor on the CPU; whoever calls keeps it alive and unchanged for as long as the
/// view is used.
/// @throws InputError when it is none; the message says how to make it one
inline TensorView view_of(const at::Tensor& tensor) {
    detail::require_plain(tensor);
    const DType dtype = from_torch_dtype(tensor.scalar_type());
    return TensorView(tensor.const_data_ptr(), Shape(tensor.sizes().data(), tensor.sizes().size()), dtype);
}

/// The same as a tensor that shares the memory and keeps it alive: the at::Tensor may go first. Autograd does not see
/// what is written through it.
/// @throws InputError when view_of() would
inline Tensor from_torch(const at::Tensor& tensor) {
    const TensorView view = view_of(tensor);
    const auto owner = std::make_shared<at::Tensor>(tensor.detach());
    return Tensor::from_storage(std::shared_ptr<void>(owner, owner->mutable_data_ptr()), view.shape(), view.dtype());
}

}  // namespace tr
