#pragma once

/// Tensors in and out of DLPack, by which array libraries hand memory to each other without a copy.
/// Not part of tech_renaissance.h, and needs no other header.
///
/// The structures are those of the DLPack specification (https://dmlc.github.io/dlpack/latest/c_api.html): ABI version
/// 1, and the unversioned one that came before. They are declared here, unless <dlpack/dlpack.h> 1.0 or later has been
/// included before: then they are those of that header.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/data/tensor_view.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::dlpack {

// The namespace has another name in each case, so that files of one program may differ in what they include.
#if defined(DLPACK_DLPACK_H_) && defined(DLPACK_MAJOR_VERSION)

inline namespace included_header {

using ::DLDataType;
using ::DLDevice;
using ::DLDeviceType;
using ::DLManagedTensor;
using ::DLManagedTensorVersioned;
using ::DLPackVersion;
using ::DLTensor;

#else

inline namespace own_declarations {

/// A kind of memory; DeviceNumber has those that are of use here.
enum DLDeviceType : std::int32_t {};

struct DLDevice {
    DLDeviceType device_type;
    std::int32_t device_id;
};

/// An element type: `lanes` numbers of `bits` bits each.
struct DLDataType {
    std::uint8_t code;
    std::uint8_t bits;
    std::uint16_t lanes;
};

/// A strided array in memory that belongs to somebody else.
struct DLTensor {
    void* data;
    DLDevice device;
    std::int32_t ndim;
    DLDataType dtype;
    std::int64_t* shape;
    std::int64_t* strides;      // in elements; null, before version 1.2, for contiguous
    std::uint64_t byte_offset;  // from `data` to the first element
};

/// An array with the function that gives it back, the unversioned form.
struct DLManagedTensor {
    DLTensor dl_tensor;
    void* manager_ctx;
    void (*deleter)(DLManagedTensor* self);
};

struct DLPackVersion {
    std::uint32_t major;
    std::uint32_t minor;
};

/// An array with the function that gives it back, since version 1.0.
struct DLManagedTensorVersioned {
    DLPackVersion version;
    void* manager_ctx;
    void (*deleter)(DLManagedTensorVersioned* self);
    std::uint64_t flags;
    DLTensor dl_tensor;
};

#endif

/// The version in what to_dlpack_versioned() gives.
inline constexpr std::uint32_t kMajorVersion = 1;
inline constexpr std::uint32_t kMinorVersion = 1;

/// In `flags`: the memory must not be written to.
inline constexpr std::uint64_t kReadOnly = 1;

/// Kinds of memory that the CPU reads as it does its own.
enum class DeviceNumber : std::int32_t { cpu = 1, cuda_host = 3, rocm_host = 11 };

/// What DLDataType::code says.
enum class TypeCode : std::uint8_t {
    signed_int = 0,
    unsigned_int = 1,
    ieee_float = 2,
    bfloat = 4,
    complex = 5,
    boolean = 6,
    float8_e4m3fn = 10,
    float8_e5m2 = 12,
};

/// Frees an exchange structure that nobody has taken.
struct CallDeleter {
    template <class Managed>
    void operator()(Managed* managed) const noexcept {
        if (managed->deleter != nullptr) managed->deleter(managed);
    }
};
using ManagedTensor = std::unique_ptr<DLManagedTensor, CallDeleter>;
using ManagedTensorVersioned = std::unique_ptr<DLManagedTensorVersioned, CallDeleter>;

/// @throws InputError when `dtype` was made from a number that is none
inline DLDataType to_dlpack_dtype(DType dtype) {
    const auto code = [&] {
        switch (dtype) {
            case DType::INT8:
            case DType::INT16:
            case DType::INT32:
            case DType::INT64:
                return TypeCode::signed_int;
            case DType::UINT8:
            case DType::UINT16:
            case DType::UINT32:
            case DType::UINT64:
                return TypeCode::unsigned_int;
            case DType::FP16:
            case DType::FP32:
            case DType::FP64:
                return TypeCode::ieee_float;
            case DType::BF16:
                return TypeCode::bfloat;
            case DType::COMPLEX64:
            case DType::COMPLEX128:
                return TypeCode::complex;
            case DType::BOOL:
                return TypeCode::boolean;
            case DType::FP8_E4M3FN:
                return TypeCode::float8_e4m3fn;
            case DType::FP8_E5M2:
                return TypeCode::float8_e5m2;
        }
        throw InputError("cannot give a tensor of dtype " + to_string(dtype) + " to DLPack: there is no such dtype");
    }();
    return {static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(dtype_size(dtype) * 8), 1};
}

/// @throws InputError for a type that no tensor of this library holds
inline DType from_dlpack_dtype(const DLDataType& type) {
    for (std::int32_t number = 1; is_dtype(number); ++number) {
        const DLDataType known = to_dlpack_dtype(static_cast<DType>(number));
        if (type.code == known.code && type.bits == known.bits && type.lanes == known.lanes) {
            return static_cast<DType>(number);
        }
    }
    throw InputError("cannot take a DLPack tensor of the type code " + std::to_string(type.code) + " with " +
                     std::to_string(type.bits) + " bits and " + std::to_string(type.lanes) +
                     " lanes, which no tr::Tensor holds; convert it to another dtype where it comes from");
}

/// The memory of a contiguous DLPack tensor; whoever calls keeps it alive and unchanged for as long as the view is
/// used.
/// @throws InputError when it is not contiguous, not in main memory, malformed, or of another dtype or rank than
/// tensors
///         have
inline TensorView view_of(const DLTensor& tensor) {
    const auto device = static_cast<DeviceNumber>(tensor.device.device_type);
    if (device != DeviceNumber::cpu && device != DeviceNumber::cuda_host && device != DeviceNumber::rocm_host) {
        throw InputError("cannot take a DLPack tensor on a device of type " +
                         std::to_string(static_cast<std::int32_t>(device)) +
                         ", expected 1, the CPU; move it to the CPU first");
    }
    const DType dtype = from_dlpack_dtype(tensor.dtype);
    if (tensor.ndim < 0 || (tensor.ndim > 0 && tensor.shape == nullptr)) {
        throw InputError("cannot take a DLPack tensor of " + std::to_string(tensor.ndim) +
                         " dimensions without a shape; it was not made as the DLPack specification says");
    }
    const Shape shape(tensor.shape, static_cast<std::size_t>(tensor.ndim));
    if (tensor.strides != nullptr && shape.numel() != 0) {
        std::int64_t expected = 1;
        for (std::int32_t i = tensor.ndim - 1; i >= 0; --i) {
            // The stride of a dimension of 1 is never used and may be anything.
            if (tensor.shape[i] != 1 && tensor.strides[i] != expected) {
                throw InputError("cannot take a DLPack tensor of the shape " + shape.to_string() +
                                 " that is not contiguous: the stride of dimension " + std::to_string(i) + " is " +
                                 std::to_string(tensor.strides[i]) + ", expected " + std::to_string(expected) +
                                 "; make it contiguous where it comes from, in Python with .contiguous() or "
                                 "numpy.ascontiguousarray()");
            }
            expected *= tensor.shape[i];
        }
    }
    const auto* data = static_cast<const unsigned char*>(tensor.data);
    if (data != nullptr) data += tensor.byte_offset;
    return TensorView(static_cast<const void*>(data), shape, dtype);
}
inline TensorView view_of(const DLManagedTensor& managed) {
    return view_of(managed.dl_tensor);
}
inline TensorView view_of(const DLManagedTensorVersioned& managed) {
    if (managed.version.major != kMajorVersion) {
        throw InputError("cannot take a DLPack tensor of version " + std::to_string(managed.version.major) + "." +
                         std::to_string(managed.version.minor) + ", expected " + std::to_string(kMajorVersion) +
                         ".x; ask its producer for that, in Python with max_version=(1, 0)");
    }
    return view_of(managed.dl_tensor);
}

namespace detail {

/// Calls the deleter of a foreign tensor, once there is one, when it goes.
template <class Managed>
struct Adopted {
    Adopted() = default;
    ~Adopted() {
        if (managed != nullptr) CallDeleter()(managed);
    }
    Adopted(const Adopted&) = delete;
    Adopted& operator=(const Adopted&) = delete;

    Managed* managed = nullptr;
};

template <class Managed>
Tensor adopt(Managed* managed) {
    const TensorView view = view_of(*managed);
    const auto owner = std::make_shared<Adopted<Managed>>();
    Tensor result =
        Tensor::from_storage(std::shared_ptr<void>(owner, const_cast<void*>(view.data())), view.shape(), view.dtype());
    // Last, when nothing can fail any more: until here the caller has it.
    owner->managed = managed;
    return result;
}

/// One of our tensors with what describes it to others; it frees itself.
template <class Managed>
struct Exported {
    Managed managed{};
    Tensor tensor;
    std::array<std::int64_t, Shape::kMaxRank> shape{};
    std::array<std::int64_t, Shape::kMaxRank> strides{};
};

template <class Managed>
std::unique_ptr<Managed, CallDeleter> export_tensor(const Tensor& tensor) {
    const Shape& dims = tensor.shape();
    auto exported = std::make_unique<Exported<Managed>>();
    exported->tensor = tensor;
    std::int64_t stride = 1;
    for (std::size_t i = dims.rank(); i-- > 0;) {
        exported->shape[i] = dims.begin()[i];
        exported->strides[i] = stride;
        stride *= std::max<std::int64_t>(dims.begin()[i], 1);
    }
    DLTensor& out = exported->managed.dl_tensor;
    out.data = tensor.numel() == 0 ? nullptr : exported->tensor.raw_data();
    out.device = {static_cast<DLDeviceType>(DeviceNumber::cpu), 0};
    out.ndim = static_cast<std::int32_t>(dims.rank());
    out.dtype = to_dlpack_dtype(tensor.dtype());
    out.shape = exported->shape.data();
    out.strides = exported->strides.data();
    out.byte_offset = 0;
    exported->managed.manager_ctx = exported.get();
    exported->managed.deleter = [](Managed* self) { delete static_cast<Exported<Managed>*>(self->manager_ctx); };
    return std::unique_ptr<Managed, CallDeleter>(&exported.release()->managed);
}

}  // namespace detail

/// A DLPack tensor over the same memory, which it keeps alive: the tr::Tensor may go first. `release()` it to whoever
/// takes it and then calls its deleter, on any thread.
///
/// The memory of a tensor made by this library starts at a multiple of 64 bytes, not of the 256 that the specification
/// asks for; no known library relies on more than that of the type.
/// @throws InputError when the tensor is undefined
inline ManagedTensor to_dlpack(const Tensor& tensor) {
    return detail::export_tensor<DLManagedTensor>(tensor);
}
/// The same in the form since version 1.0; preferred where the other side knows it.
inline ManagedTensorVersioned to_dlpack_versioned(const Tensor& tensor) {
    ManagedTensorVersioned result = detail::export_tensor<DLManagedTensorVersioned>(tensor);
    result->version = {kMajorVersion, kMinorVersion};
    result->flags = 0;
    return result;
}

/// A tensor over the memory of a DLPack tensor. It takes that over: its deleter is called once, when the last tensor
/// that shares the memory goes, on that thread.
/// @throws InputError as view_of(), and when the memory is read only or not aligned for its dtype. The DLPack tensor
///         then still belongs to the caller.
inline Tensor from_dlpack(DLManagedTensor* managed) {
    return detail::adopt(managed);
}
inline Tensor from_dlpack(DLManagedTensorVersioned* managed) {
    if (managed->version.major == kMajorVersion && (managed->flags & kReadOnly) != 0) {
        throw InputError(
            "cannot share a DLPack tensor whose memory is read only, as a tr::Tensor may be written to; "
            "copy it where it comes from, or read it through tr::view_of");
    }
    return detail::adopt(managed);
}
template <class Managed>
Tensor from_dlpack(std::unique_ptr<Managed, CallDeleter> managed) {
    Tensor result = from_dlpack(managed.get());
    static_cast<void>(managed.release());
    return result;
}

}  // inline namespace
}  // namespace tr::dlpack

namespace tr {

using dlpack::from_dlpack;
using dlpack::to_dlpack;
using dlpack::to_dlpack_versioned;
using dlpack::view_of;

}  // namespace tr
