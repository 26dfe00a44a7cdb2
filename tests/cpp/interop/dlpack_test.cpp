#include "tech_renaissance/interop/dlpack.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "cpp/interop/dlpack_layout.h"
#include "cpp/interop/support.h"

namespace tr {
namespace {

using dlpack::DLManagedTensor;
using dlpack::DLManagedTensorVersioned;
using test::message_of;

/// What another library would hand over: memory on the heap, and a count of how often it was given back.
struct Foreign {
    DLManagedTensor managed{};
    DLManagedTensorVersioned versioned{};
    std::vector<float> values{0, 1, 2, 3, 4, 5};
    std::vector<std::int64_t> shape{2, 3};
    std::vector<std::int64_t> strides{3, 1};
    int deleted = 0;

    Foreign() {
        auto& tensor = managed.dl_tensor;
        tensor.data = values.data();
        tensor.device.device_type = static_cast<dlpack::DLDeviceType>(1);
        tensor.ndim = 2;
        tensor.dtype = {2, 32, 1};
        tensor.shape = shape.data();
        tensor.strides = strides.data();
        managed.manager_ctx = this;
        managed.deleter = [](DLManagedTensor* self) { static_cast<Foreign*>(self->manager_ctx)->give_back(); };
        versioned.version = {1, 3};
        versioned.dl_tensor = tensor;
        versioned.manager_ctx = this;
        versioned.deleter = [](DLManagedTensorVersioned* self) {
            static_cast<Foreign*>(self->manager_ctx)->give_back();
        };
    }
    Foreign(const Foreign&) = delete;
    Foreign& operator=(const Foreign&) = delete;

    void give_back() {
        ++deleted;
        // So that AddressSanitizer catches who still reads it.
        std::vector<float>().swap(values);
    }
};

TEST(InteropDlpack, EveryDtypeGoesOutAndComesBack) {
    for (const DType dtype : test::all_dtypes()) {
        for (const Shape& shape : {Shape(), Shape(5), Shape(2, 3), Shape(2, 0, 3), Shape(1, 2, 1, 2)}) {
            const Tensor tensor = test::bits_of(shape, dtype);
            const Tensor back = from_dlpack(to_dlpack(tensor));
            test::expect_same(back, tensor);
            const Tensor versioned_back = from_dlpack(to_dlpack_versioned(tensor));
            test::expect_same(versioned_back, tensor);
            if (tensor.numel() != 0) {
                EXPECT_EQ(back.raw_data(), tensor.raw_data());
                EXPECT_EQ(versioned_back.raw_data(), tensor.raw_data());
            }
        }
    }
}

TEST(InteropDlpack, DtypesAreThoseOfTheSpecification) {
    const std::vector<std::pair<DType, std::pair<int, int>>> known = {
        {DType::FP32, {2, 32}},       {DType::INT8, {0, 8}},       {DType::INT32, {0, 32}},
        {DType::FP16, {2, 16}},       {DType::BF16, {4, 16}},      {DType::FP64, {2, 64}},
        {DType::INT16, {0, 16}},      {DType::UINT8, {1, 8}},      {DType::INT64, {0, 64}},
        {DType::BOOL, {6, 8}},        {DType::UINT16, {1, 16}},    {DType::UINT32, {1, 32}},
        {DType::UINT64, {1, 64}},     {DType::COMPLEX64, {5, 64}}, {DType::COMPLEX128, {5, 128}},
        {DType::FP8_E4M3FN, {10, 8}}, {DType::FP8_E5M2, {12, 8}},
    };
    ASSERT_EQ(known.size(), test::all_dtypes().size());
    for (const auto& [dtype, expected] : known) {
        const auto type = dlpack::to_dlpack_dtype(dtype);
        EXPECT_EQ(std::make_pair(static_cast<int>(type.code), static_cast<int>(type.bits)), expected);
        EXPECT_EQ(type.lanes, 1);
        EXPECT_EQ(dlpack::from_dlpack_dtype(type), dtype);
    }
}

TEST(InteropDlpack, ExportSaysWhatTheTensorIs) {
    const Tensor tensor = Tensor::zeros(Shape(2, 3, 4));
    const auto managed = to_dlpack_versioned(tensor);
    EXPECT_EQ(managed->version.major, 1U);
    EXPECT_EQ(managed->flags, 0U);
    const auto& out = managed->dl_tensor;
    EXPECT_EQ(static_cast<int>(out.device.device_type), 1);
    EXPECT_EQ(out.device.device_id, 0);
    EXPECT_EQ(std::vector<std::int64_t>(out.shape, out.shape + out.ndim), (std::vector<std::int64_t>{2, 3, 4}));
    EXPECT_EQ(std::vector<std::int64_t>(out.strides, out.strides + out.ndim), (std::vector<std::int64_t>{12, 4, 1}));
    EXPECT_EQ(out.byte_offset, 0U);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(out.data) % 64, 0U);
}

TEST(InteropDlpack, EmptyTensorsHaveNoMemory) {
    const auto managed = to_dlpack(Tensor::empty(Shape(2, 0, 3)));
    EXPECT_EQ(managed->dl_tensor.data, nullptr);
    const auto* strides = managed->dl_tensor.strides;
    EXPECT_EQ(std::vector<std::int64_t>(strides, strides + 3), (std::vector<std::int64_t>{3, 3, 1}));
    EXPECT_EQ(view_of(*managed).shape(), Shape(2, 0, 3));
}

TEST(InteropDlpack, MemoryIsShared) {
    Tensor tensor = Tensor::zeros(Shape(2, 3));
    auto managed = to_dlpack(tensor);
    static_cast<float*>(managed->dl_tensor.data)[4] = 7;
    EXPECT_EQ(tensor.data<float>()[4], 7);
    Tensor back = from_dlpack(std::move(managed));
    back.data<float>()[5] = 8;
    EXPECT_EQ(tensor.data<float>()[5], 8);
}

TEST(InteropDlpack, ExportOutlivesTheTensor) {
    const Tensor expected = Tensor::arange(1000);
    Tensor tensor = expected.clone();
    const auto managed = to_dlpack(tensor);
    const auto versioned = to_dlpack_versioned(tensor);
    tensor = Tensor();
    test::expect_same(view_of(*managed), expected);
    test::expect_same(view_of(*versioned), expected);
}

TEST(InteropDlpack, TensorOutlivesTheExport) {
    const Tensor tensor = Tensor::ones(Shape(3));
    auto managed = to_dlpack(tensor);
    EXPECT_EQ(tensor.storage().use_count(), 2);
    managed.reset();
    EXPECT_EQ(tensor.storage().use_count(), 1);
    EXPECT_EQ(tensor.data<float>()[2], 1);
}

template <class Managed>
void expect_given_back_once(Foreign& foreign, Managed* managed) {
    {
        Tensor first = from_dlpack(managed);
        Tensor second = first.reshape(Shape(6));
        EXPECT_EQ(first.raw_data(), foreign.values.data());
        foreign.values[1] = 9;
        first = Tensor();
        EXPECT_EQ(foreign.deleted, 0);
        EXPECT_EQ(second.data<float>()[1], 9);
    }
    EXPECT_EQ(foreign.deleted, 1);
}

TEST(InteropDlpack, ForeignMemoryIsGivenBackOnceWithTheLastTensor) {
    Foreign unversioned;
    expect_given_back_once(unversioned, &unversioned.managed);
    Foreign versioned;
    expect_given_back_once(versioned, &versioned.versioned);
}

TEST(InteropDlpack, ForeignMemoryMayNeedNoDeleter) {
    Foreign foreign;
    foreign.managed.deleter = nullptr;
    EXPECT_EQ(from_dlpack(&foreign.managed).data<float>()[5], 5);
    EXPECT_EQ(foreign.deleted, 0);
}

TEST(InteropDlpack, EmptyForeignTensorIsGivenBackToo) {
    Foreign foreign;
    foreign.shape = {0, 3};
    foreign.managed.dl_tensor.shape = foreign.shape.data();
    foreign.managed.dl_tensor.data = nullptr;
    EXPECT_EQ(from_dlpack(&foreign.managed).shape(), Shape(0, 3));
    EXPECT_EQ(foreign.deleted, 1);
}

TEST(InteropDlpack, OffsetAndMissingStridesAreUnderstood) {
    Foreign foreign;
    foreign.shape = {1, 4};
    auto& tensor = foreign.managed.dl_tensor;
    tensor.shape = foreign.shape.data();
    tensor.strides = nullptr;
    tensor.byte_offset = 2 * sizeof(float);
    test::expect_same(view_of(foreign.managed), Tensor::arange(2, 6).reshape(Shape(1, 4)));
    // The stride of a dimension of 1 may be anything.
    foreign.strides = {77, 1};
    tensor.strides = foreign.strides.data();
    test::expect_same(view_of(foreign.managed), Tensor::arange(2, 6).reshape(Shape(1, 4)));
}

/// The message with which one change to a good tensor is refused; it must still belong to the caller then.
template <class Change>
std::string refusal(Change&& change) {
    Foreign foreign;
    change(foreign, foreign.managed.dl_tensor);
    const std::string message = message_of<InputError>([&] { from_dlpack(&foreign.managed); });
    EXPECT_EQ(foreign.deleted, 0) << message;
    return message;
}

TEST(InteropDlpack, RefusalsSayWhatToDoAndLeaveTheTensorAlone) {
    using Described = dlpack::DLTensor;
    EXPECT_EQ(refusal([](Foreign& foreign, Described&) { foreign.strides = {1, 2}; }),
              "cannot take a DLPack tensor of the shape (2, 3) that is not contiguous: the stride of dimension 1 is 2, "
              "expected 1; make it contiguous where it comes from, in Python with .contiguous() or "
              "numpy.ascontiguousarray()");
    TR_EXPECT_IN(
        refusal([](Foreign&, Described& tensor) { tensor.device.device_type = static_cast<dlpack::DLDeviceType>(2); }),
        "on a device of type 2, expected 1, the CPU; move it to the CPU first");
    TR_EXPECT_IN(refusal([](Foreign&, Described& tensor) { tensor.dtype = {17, 4, 1}; }),
                 "type code 17 with 4 bits and 1 lanes, which no tr::Tensor holds");
    TR_EXPECT_IN(refusal([](Foreign&, Described& tensor) { tensor.dtype.lanes = 4; }), "4 lanes");
    TR_EXPECT_IN(refusal([](Foreign&, Described& tensor) { tensor.ndim = -1; }), "-1 dimensions");
    TR_EXPECT_IN(refusal([](Foreign&, Described& tensor) { tensor.shape = nullptr; }), "without a shape");
    refusal([](Foreign& foreign, Described& tensor) {
        foreign.shape.assign(17, 1);
        tensor.shape = foreign.shape.data();
        tensor.strides = nullptr;
        tensor.ndim = 17;
    });
    refusal([](Foreign& foreign, Described&) { foreign.shape[0] = -2; });
    refusal([](Foreign&, Described& tensor) { tensor.data = nullptr; });
    TR_EXPECT_IN(refusal([](Foreign& foreign, Described& tensor) {
                     foreign.shape[1] = 1;
                     tensor.strides = nullptr;
                     tensor.byte_offset = 1;
                 }),
                 "a multiple of 4");
}

TEST(InteropDlpack, ReadOnlyMemoryCanBeReadButNotShared) {
    Foreign foreign;
    foreign.versioned.flags = dlpack::kReadOnly;
    TR_EXPECT_IN(message_of<InputError>([&] { from_dlpack(&foreign.versioned); }), "read only");
    EXPECT_EQ(foreign.deleted, 0);
    test::expect_same(view_of(foreign.versioned), Tensor::arange(6).reshape(Shape(2, 3)));
}

TEST(InteropDlpack, NextMajorVersionIsRefused) {
    Foreign foreign;
    foreign.versioned.version = {2, 0};
    TR_EXPECT_IN(message_of<InputError>([&] { from_dlpack(&foreign.versioned); }), "of version 2.0, expected 1.x");
    EXPECT_EQ(foreign.deleted, 0);
}

TEST(InteropDlpack, UndefinedTensorIsRefused) {
    EXPECT_THROW(to_dlpack(Tensor()), InputError);
    EXPECT_THROW(to_dlpack_versioned(Tensor()), InputError);
}

TEST(InteropDlpack, Page) {
    DLManagedTensor* theirs = to_dlpack(Tensor::zeros(Shape(2, 3))).release();
    // docs/interop.md shows this.
    tr::Tensor tensor = tr::from_dlpack(theirs);  // calls theirs->deleter with the last tensor that shares the memory
    auto ours = tr::to_dlpack_versioned(tensor);  // a std::unique_ptr; release() it to whoever takes it
    // Until here.
    EXPECT_EQ(view_of(*ours).data(), tensor.raw_data());
}

}  // namespace
}  // namespace tr
