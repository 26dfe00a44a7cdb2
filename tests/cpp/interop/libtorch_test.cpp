#include "tech_renaissance/interop/libtorch.h"

#include <ATen/ATen.h>
#include <ATen/DLConvertor.h>
#include <gtest/gtest.h>

#include <cstring>
#include <type_traits>
#include <utility>

#include "cpp/interop/dlpack_layout.h"
#include "cpp/interop/support.h"

namespace tr {
namespace {

using test::message_of;

static_assert(std::is_same_v<dlpack::DLManagedTensor, ::DLManagedTensor>, "a DLPack header came before ours");

TEST(InteropLibtorch, EveryDtypeBothWays) {
    for (const DType dtype : test::all_dtypes()) {
        for (const Shape& shape : {Shape(), Shape(5), Shape(2, 3), Shape(2, 0, 3)}) {
            const Tensor tensor = test::bits_of(shape, dtype);
            const at::Tensor torch = to_torch(tensor);
            EXPECT_EQ(torch.scalar_type(), to_torch_dtype(dtype));
            EXPECT_EQ(from_torch_dtype(torch.scalar_type()), dtype);
            EXPECT_EQ(torch.sizes().vec(), shape.dims());
            test::expect_same(view_of(torch), tensor);
            const at::Tensor values = torch.to(at::kDouble).flatten();
            for (std::int64_t i = 0; i < tensor.numel(); ++i) EXPECT_EQ(values[i].item<double>(), i % 2);
            const Tensor back = from_torch(torch.clone());
            test::expect_same(back, tensor);
            EXPECT_TRUE(tensor.numel() == 0 || from_torch(torch).raw_data() == tensor.raw_data());
        }
    }
}

TEST(InteropLibtorch, MemoryIsShared) {
    Tensor tensor = Tensor::zeros(Shape(2, 3));
    at::Tensor torch = to_torch(tensor);
    torch.fill_(4);
    EXPECT_EQ(tensor.data<float>()[5], 4);
    tensor.data<float>()[0] = 9;
    EXPECT_EQ(torch[0][0].item<float>(), 9);

    at::Tensor theirs = at::zeros({3}, at::kInt);
    Tensor ours = from_torch(theirs);
    ours.data<std::int32_t>()[1] = 5;
    EXPECT_EQ(theirs[1].item<int>(), 5);
    theirs.add_(1);
    EXPECT_EQ(ours.data<std::int32_t>()[1], 6);
}

TEST(InteropLibtorch, WhoeverGoesFirstLeavesTheMemory) {
    Tensor tensor = Tensor::ones(Shape(1000));
    at::Tensor torch = to_torch(tensor);
    EXPECT_EQ(tensor.storage().use_count(), 2);
    Tensor last = tensor;
    tensor = Tensor();
    EXPECT_EQ(torch.sum().item<float>(), 1000);
    torch = at::Tensor();
    EXPECT_EQ(last.storage().use_count(), 1) << "libtorch has given the memory back";
    torch = to_torch(last);
    last = Tensor();
    EXPECT_EQ(torch.sum().item<float>(), 1000);

    at::Tensor theirs = at::ones({1000});
    Tensor ours = from_torch(theirs);
    theirs = at::Tensor();
    EXPECT_TRUE(ours.equal(Tensor::ones(Shape(1000))));
    theirs = to_torch(ours);
    ours = Tensor();
    EXPECT_EQ(theirs.sum().item<float>(), 1000);
}

TEST(InteropLibtorch, EmptyTensorIsGivenBack) {
    const Tensor tensor = Tensor::empty(Shape(0, 3));
    {
        const at::Tensor torch = to_torch(tensor);
    }
    EXPECT_EQ(from_torch(at::empty({0, 3})).shape(), Shape(0, 3));
}

TEST(InteropLibtorch, TensorThatRequiresGradIsTaken) {
    const at::Tensor leaf = at::ones({2}).requires_grad_();
    const Tensor tensor = from_torch(leaf);
    EXPECT_EQ(tensor.raw_data(), leaf.data_ptr());
}

TEST(InteropLibtorch, RefusalsSayWhatToDo) {
    const at::Tensor matrix = at::ones({2, 3});
    EXPECT_EQ(message_of<InputError>([&] { from_torch(matrix.t()); }),
              "cannot take a libtorch tensor of the shape (3, 2) that is not contiguous, expected a dense one on the "
              "CPU; copy it with .contiguous()");
    test::expect_same(from_torch(matrix.t().contiguous()), Tensor::ones(Shape(3, 2)));
    TR_EXPECT_IN(message_of<InputError>([] { view_of(at::Tensor()); }), "undefined");
    TR_EXPECT_IN(message_of<InputError>([] { from_torch(at::empty({2}, at::kMeta)); }), "on the device meta");
    TR_EXPECT_IN(message_of<InputError>([&] { from_torch(matrix.to_sparse()); }), ".to_dense()");
    const at::Tensor complex = at::ones({2}, at::kComplexFloat);
    TR_EXPECT_IN(message_of<InputError>([&] { from_torch(complex.conj()); }), ".resolve_conj()");
    TR_EXPECT_IN(message_of<InputError>([&] { from_torch(at::imag(complex.conj()).contiguous()._neg_view()); }),
                 ".resolve_neg()");
    TR_EXPECT_IN(message_of<InputError>([] { from_torch(at::empty({2}, at::kComplexHalf)); }), "dtype ComplexHalf");
    EXPECT_THROW(from_torch(at::empty(std::vector<std::int64_t>(17, 1))), InputError);
    EXPECT_THROW(to_torch(Tensor()), InputError);
}

// With the DLPack header of libtorch included, the functions take and give its structures.
TEST(InteropLibtorch, DlpackWithLibtorch) {
    for (const DType dtype : test::all_dtypes()) {
        const Tensor tensor = test::bits_of(Shape(2, 3), dtype);
        const at::Tensor torch = at::fromDLPack(to_dlpack(tensor).release());
        EXPECT_EQ(torch.scalar_type(), to_torch_dtype(dtype));
        EXPECT_EQ(torch.data_ptr(), tensor.raw_data());
        const at::Tensor versioned = at::fromDLPackVersioned(to_dlpack_versioned(tensor).release());
        EXPECT_EQ(versioned.data_ptr(), tensor.raw_data());
        test::expect_same(from_dlpack(at::toDLPack(torch)), tensor);
        test::expect_same(from_dlpack(at::toDLPackVersioned(torch)), tensor);
    }
    Tensor tensor = Tensor::ones(Shape(1000));
    const at::Tensor torch = at::fromDLPack(to_dlpack(tensor).release());
    tensor = Tensor();
    EXPECT_EQ(torch.sum().item<float>(), 1000);
    at::Tensor theirs = at::ones({1000});
    const Tensor ours = from_dlpack(at::toDLPackVersioned(theirs));
    theirs = at::Tensor();
    EXPECT_TRUE(ours.equal(Tensor::ones(Shape(1000))));
}

TEST(InteropLibtorch, Page) {
    tr::Tensor tensor = tr::Tensor::ones(tr::Shape(2, 2));
    // docs/interop.md shows this.
    at::Tensor torch = tr::to_torch(tensor);  // the same memory, kept alive by either
    torch.mul_(2);
    tr::Tensor ours = tr::from_torch(torch.contiguous());  // as well
    tr::TensorView view = tr::view_of(torch);              // no ownership; for calculate() and write_tsr()
    // Until here.
    EXPECT_EQ(view.data(), tensor.raw_data());
    EXPECT_EQ(ours.raw_data(), tensor.raw_data());
}

}  // namespace
}  // namespace tr
