#include "tech_renaissance/interop/eigen.h"

#include <gtest/gtest.h>

#include <Eigen/Core>
#include <complex>
#include <cstdint>
#include <type_traits>

#include "cpp/interop/support.h"

namespace tr {
namespace {

using test::message_of;

template <class T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using Vector = Eigen::Matrix<T, Eigen::Dynamic, 1>;

template <class Scalar>
class InteropEigenDtype : public ::testing::Test {};
using Scalars = ::testing::Types<float, double, std::int8_t, std::int16_t, std::int32_t, std::int64_t, std::uint8_t,
                                 std::uint16_t, std::uint32_t, std::uint64_t, bool, std::complex<float>,
                                 std::complex<double>, Eigen::half, Eigen::bfloat16>;
TYPED_TEST_SUITE(InteropEigenDtype, Scalars);

TYPED_TEST(InteropEigenDtype, ValuesAndMemoryBothWays) {
    using Scalar = TypeParam;
    const DType dtype = detail::EigenDType<Scalar>::value;
    Tensor tensor = test::bits_of(Shape(3, 5), dtype);
    auto map = as_eigen<RowMajor<Scalar>>(tensor);
    ASSERT_EQ(map.rows(), 3);
    ASSERT_EQ(map.cols(), 5);
    for (int i = 0; i < 15; ++i) EXPECT_EQ(map(i / 5, i % 5), static_cast<Scalar>(static_cast<float>(i % 2)));
    EXPECT_EQ(static_cast<const void*>(map.data()), tensor.raw_data());

    map(0, 0) = static_cast<Scalar>(1.0F);
    EXPECT_EQ(static_cast<const Scalar*>(tensor.raw_data())[0], static_cast<Scalar>(1.0F));
    const RowMajor<Scalar> matrix = map;
    test::expect_same(view_of(matrix), tensor);
    EXPECT_EQ(view_of(matrix).data(), static_cast<const void*>(matrix.data()));
    test::expect_same(from_eigen(matrix), tensor);
    const Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic> columns = map;
    test::expect_same(from_eigen(columns), tensor);
}

TEST(InteropEigen, ViewSharesMemory) {
    RowMajor<float> matrix = RowMajor<float>::Zero(2, 2);
    const TensorView view = view_of(matrix);
    matrix(1, 0) = 5;
    EXPECT_EQ(static_cast<const float*>(view.data())[2], 5);
}

TEST(InteropEigen, MapIsValidWhileAnyTensorSharesTheMemory) {
    Tensor first = Tensor::arange(6).reshape(Shape(2, 3));
    const auto map = as_eigen<RowMajor<float>>(first);
    const Tensor second = first;
    first = Tensor();
    EXPECT_EQ(map.sum(), 15);
}

TEST(InteropEigen, CopyOutlivesTheMatrix) {
    Tensor tensor;
    {
        const Eigen::MatrixXf matrix = Eigen::MatrixXf::Constant(20, 30, 2);
        tensor = from_eigen(matrix);
    }
    EXPECT_TRUE(tensor.equal(Tensor::full(Shape(20, 30), 2)));
}

TEST(InteropEigen, VectorsHaveRankOne) {
    Tensor tensor = Tensor::arange(4);
    auto column = as_eigen<Eigen::VectorXf>(tensor);
    auto row = as_eigen<Eigen::RowVector4f>(tensor);
    column[3] = 9;
    EXPECT_EQ(row[3], 9);
    test::expect_same(view_of(Eigen::VectorXf(column)), tensor);
    test::expect_same(view_of(row), tensor);
    test::expect_same(from_eigen(column), tensor);
    test::expect_same(from_eigen(row), tensor);
    test::expect_same(from_eigen(Eigen::ArrayXf(column)), tensor);
}

TEST(InteropEigen, FixedSizesAndArrays) {
    Tensor tensor = Tensor::arange(6).reshape(Shape(2, 3));
    const auto matrix = as_eigen<Eigen::Matrix<float, 2, 3, Eigen::RowMajor>>(tensor);
    EXPECT_EQ(matrix(1, 0), 3);
    const auto array = as_eigen<Eigen::Array<float, 2, Eigen::Dynamic, Eigen::RowMajor>>(tensor);
    test::expect_same(from_eigen(array * 2), from_eigen(matrix + matrix));
    const Tensor constant = tensor;
    const auto read_only = as_eigen<RowMajor<float>>(constant);
    static_assert(std::is_same_v<decltype(read_only.data()), const float*>);
    EXPECT_EQ(read_only(1, 2), 5);
}

TEST(InteropEigen, EmptyMatrices) {
    Tensor tensor = Tensor::empty(Shape(0, 3));
    EXPECT_EQ(as_eigen<RowMajor<float>>(tensor).cols(), 3);
    EXPECT_EQ(view_of(RowMajor<float>(0, 3)).shape(), Shape(0, 3));
    EXPECT_EQ(from_eigen(Eigen::MatrixXf(3, 0)).shape(), Shape(3, 0));
    EXPECT_EQ(from_eigen(Eigen::VectorXf()).shape(), Shape(0));
}

TEST(InteropEigen, ContiguousPartsAreViewedAndOthersRefused) {
    const RowMajor<float> matrix =
        as_eigen<RowMajor<float>>(static_cast<const Tensor&>(Tensor::arange(12).reshape({3, 4})));
    const Tensor all = Tensor::arange(12);
    test::expect_same(view_of(matrix.middleRows(1, 2)), Tensor::arange(4, 12).reshape(Shape(2, 4)));
    test::expect_same(view_of(matrix.row(1)), Tensor::arange(4, 8));
    test::expect_same(view_of(matrix.row(1).segment(1, 2)), Tensor::arange(5, 7));
    const Eigen::MatrixXf columns = matrix.transpose();
    test::expect_same(view_of(columns.transpose()), all.reshape(Shape(3, 4)));

    EXPECT_EQ(
        message_of<InputError>([&] { view_of(matrix.leftCols(2)); }),
        "cannot view an Eigen block of the shape (3, 2) as a tensor: there are gaps between its elements, with an "
        "inner stride of 1 and an outer one of 4; copy it with tr::from_eigen or .eval()");
    TR_EXPECT_IN(message_of<InputError>([&] { view_of(matrix.col(1)); }), "the shape (3,)");
    test::expect_same(from_eigen(matrix.col(1)), Tensor::arange(1, 12, 4));
}

TEST(InteropEigen, RefusalsSayWhatToDo) {
    Tensor tensor = Tensor::zeros(Shape(2, 3));
    EXPECT_EQ(message_of<InputError>([&] { as_eigen<RowMajor<double>>(tensor); }),
              "cannot view a tensor of dtype FP32 through Eigen as FP64; ask for a type whose scalar is that of the "
              "tensor");
    EXPECT_EQ(message_of<InputError>([&] { as_eigen<Eigen::VectorXf>(tensor); }),
              "cannot view a tensor of the shape (2, 3) as an Eigen vector, expected rank 1; reshape it first");
    Tensor scalar = Tensor::zeros(Shape());
    TR_EXPECT_IN(message_of<InputError>([&] { as_eigen<RowMajor<float>>(scalar); }), "matrix, expected rank 2");
    EXPECT_EQ(
        message_of<InputError>([&] { as_eigen<Eigen::Matrix<float, Eigen::Dynamic, 4, Eigen::RowMajor>>(tensor); }),
        "cannot view a tensor of the shape (2, 3) through an Eigen type of other sizes, expected (any, 4); use "
        "Eigen::Dynamic or a tensor of that shape");
    Tensor five = Tensor::zeros(Shape(5));
    TR_EXPECT_IN(message_of<InputError>([&] { as_eigen<Eigen::Vector4f>(five); }), "expected (4,)");
    Tensor undefined;
    EXPECT_THROW(as_eigen<Eigen::VectorXf>(undefined), InputError);
}

template <class AnyTensor, class = void>
struct CanBeMapped : std::false_type {};
template <class AnyTensor>
struct CanBeMapped<AnyTensor, std::void_t<decltype(as_eigen<Eigen::VectorXf>(std::declval<AnyTensor>()))>>
    : std::true_type {};
static_assert(CanBeMapped<Tensor&>::value && CanBeMapped<const Tensor&>::value);
static_assert(!CanBeMapped<Tensor>::value && !CanBeMapped<const Tensor>::value, "the map would dangle");

TEST(InteropEigen, Page) {
    tr::Tensor tensor = tr::Tensor::ones(tr::Shape(2, 2));
    // docs/interop.md shows this.
    using RowMajorMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    auto matrix = tr::as_eigen<RowMajorMatrix>(tensor);  // the tensor's own memory
    matrix *= 2;
    Eigen::MatrixXf by_columns = matrix;                        // Eigen's default order: a copy
    tr::TensorView view = tr::view_of(matrix);                  // no copy; for calculate() and write_tsr()
    tr::Tensor copy = tr::from_eigen(by_columns * by_columns);  // any matrix or expression
    // Until here.
    EXPECT_EQ(view.data(), tensor.raw_data());
    EXPECT_TRUE(copy.equal(Tensor::full(Shape(2, 2), 8)));
}

}  // namespace
}  // namespace tr
