#pragma once

/// Tensors as Eigen matrices and vectors, and the other way round. Needs Eigen 3.4 or later; not part of
/// tech_renaissance.h.
///
/// A tensor keeps its rows one after another, a matrix of Eigen by default its columns. Without a copy only types that
/// are declared with Eigen::RowMajor, and vectors, can stand for a tensor; the others do not compile here.

#include <Eigen/Core>
#include <cstdint>
#include <string>
#include <type_traits>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/data/tensor_view.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

namespace detail {

template <class Scalar>
struct EigenDType : DTypeOf<Scalar> {};
template <>
struct EigenDType<Eigen::half> : std::integral_constant<DType, DType::FP16> {};
template <>
struct EigenDType<Eigen::bfloat16> : std::integral_constant<DType, DType::BF16> {};

/// Known to be a vector when it is compiled; it then stands for a tensor of rank 1.
template <class Dense>
inline constexpr bool is_eigen_vector_v = Dense::RowsAtCompileTime == 1 || Dense::ColsAtCompileTime == 1;

template <class Dense>
inline constexpr bool has_tensor_order_v = is_eigen_vector_v<Dense> || Dense::IsRowMajor;

inline std::string eigen_extent(Eigen::Index size) {
    return size == Eigen::Dynamic ? "any" : std::to_string(size);
}

/// Throws InputError unless a `Dense` may have the dtype and shape of the tensor.
template <class Dense>
void require_fits_eigen(const Tensor& tensor) {
    constexpr DType kWanted = EigenDType<typename Dense::Scalar>::value;
    if (tensor.dtype() != kWanted) {
        throw InputError("cannot view a tensor of dtype " + to_string(tensor.dtype()) + " through Eigen as " +
                         to_string(kWanted) + "; ask for a type whose scalar is that of the tensor");
    }
    constexpr std::size_t kRank = is_eigen_vector_v<Dense> ? 1 : 2;
    const Shape& shape = tensor.shape();
    if (shape.rank() != kRank) {
        throw InputError("cannot view a tensor of the shape " + shape.to_string() + " as an Eigen " +
                         (kRank == 1 ? "vector, expected rank 1" : "matrix, expected rank 2") + "; reshape it first");
    }
    const auto fits = [](std::int64_t size, Eigen::Index exact, Eigen::Index most) {
        return (exact == Eigen::Dynamic || size == exact) && (most == Eigen::Dynamic || size <= most);
    };
    bool all_fit = true;
    std::string expected = "(";
    if constexpr (kRank == 1) {
        all_fit = fits(shape[0], Dense::SizeAtCompileTime, Dense::MaxSizeAtCompileTime);
        expected += eigen_extent(Dense::SizeAtCompileTime) + ",)";
    } else {
        all_fit = fits(shape[0], Dense::RowsAtCompileTime, Dense::MaxRowsAtCompileTime) &&
                  fits(shape[1], Dense::ColsAtCompileTime, Dense::MaxColsAtCompileTime);
        expected += eigen_extent(Dense::RowsAtCompileTime) + ", " + eigen_extent(Dense::ColsAtCompileTime) + ")";
    }
    if (!all_fit) {
        throw InputError("cannot view a tensor of the shape " + shape.to_string() +
                         " through an Eigen type of other sizes, expected " + expected +
                         "; use Eigen::Dynamic or a tensor of that shape");
    }
}

template <class Dense, class AnyTensor>
auto map_eigen(AnyTensor& tensor) {
    static_assert(has_tensor_order_v<std::remove_const_t<Dense>>,
                  "a column-major Eigen matrix cannot view a tensor, whose rows lie one after another; declare it "
                  "with Eigen::RowMajor, or copy: Eigen::MatrixXf m = tr::as_eigen<RowMajorMatrix>(tensor)");
    using Scalar = std::conditional_t<std::is_const_v<Dense>, const typename Dense::Scalar, typename Dense::Scalar>;
    require_fits_eigen<std::remove_const_t<Dense>>(tensor);
    auto* data = static_cast<Scalar*>(tensor.raw_data());
    if constexpr (is_eigen_vector_v<Dense>) {
        return Eigen::Map<Dense>(data, static_cast<Eigen::Index>(tensor.shape()[0]));
    } else {
        return Eigen::Map<Dense>(data, static_cast<Eigen::Index>(tensor.shape()[0]),
                                 static_cast<Eigen::Index>(tensor.shape()[1]));
    }
}

template <class Derived>
Shape shape_of_eigen(const Eigen::DenseBase<Derived>& dense) {
    if constexpr (is_eigen_vector_v<Derived>) {
        return Shape(dense.size());
    } else {
        return Shape(dense.rows(), dense.cols());
    }
}

}  // namespace detail

/// The tensor's own memory as an Eigen matrix (rank 2) or vector (rank 1), for reading and writing. `Dense` is an
/// Eigen::Matrix or Eigen::Array, of fixed or dynamic size, row-major unless it is a vector:
///
///     using RowMajorMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
///     auto matrix = tr::as_eigen<RowMajorMatrix>(tensor);
///
/// The map owns nothing: it is valid while a tensor that shares this memory lives.
/// @throws InputError when dtype, rank or a fixed size differs
template <class Dense>
Eigen::Map<Dense> as_eigen(Tensor& tensor) {
    return detail::map_eigen<Dense>(tensor);
}
/// The same, read only.
template <class Dense>
Eigen::Map<const Dense> as_eigen(const Tensor& tensor) {
    return detail::map_eigen<const Dense>(tensor);
}
/// A map of a tensor that nobody holds would be left dangling: give the tensor a name first.
template <class Dense>
void as_eigen(Tensor&& tensor) = delete;
template <class Dense>
void as_eigen(const Tensor&& tensor) = delete;

/// The memory of an Eigen matrix, vector, array, map or block as a tensor of rank 2, or rank 1 for a vector; whoever
/// calls keeps it alive and unchanged for as long as the view is used.
/// @throws InputError when there are gaps between the elements, as in a block of a wider matrix
template <class Derived>
TensorView view_of(const Eigen::DenseBase<Derived>& dense) {
    static_assert((Derived::Flags & Eigen::DirectAccessBit) != 0,
                  "an Eigen expression has no memory to view; use tr::from_eigen, which evaluates it");
    static_assert(detail::has_tensor_order_v<Derived>,
                  "a column-major Eigen matrix cannot be viewed as a tensor, whose rows lie one after another; use "
                  "tr::from_eigen, which copies, or declare the matrix with Eigen::RowMajor");
    const Derived& matrix = dense.derived();
    const Shape shape = detail::shape_of_eigen(matrix);
    bool contiguous = true;
    if constexpr (detail::is_eigen_vector_v<Derived>) {
        contiguous = matrix.size() <= 1 || matrix.innerStride() == 1;
    } else {
        contiguous = matrix.size() == 0 || ((matrix.cols() == 1 || matrix.innerStride() == 1) &&
                                            (matrix.rows() == 1 || matrix.outerStride() == matrix.cols()));
    }
    if (!contiguous) {
        throw InputError("cannot view an Eigen block of the shape " + shape.to_string() +
                         " as a tensor: there are gaps between its elements, with an inner stride of " +
                         std::to_string(matrix.innerStride()) + " and an outer one of " +
                         std::to_string(matrix.outerStride()) + "; copy it with tr::from_eigen or .eval()");
    }
    return TensorView(static_cast<const void*>(matrix.data()), shape,
                      detail::EigenDType<typename Derived::Scalar>::value);
}

/// Evaluates and copies any Eigen matrix, vector, array or expression, whatever its storage order.
template <class Derived>
Tensor from_eigen(const Eigen::DenseBase<Derived>& dense) {
    using Scalar = typename Derived::Scalar;
    using RowMajor = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    Tensor result = Tensor::empty(detail::shape_of_eigen(dense), detail::EigenDType<Scalar>::value);
    Eigen::Map<RowMajor>(static_cast<Scalar*>(result.raw_data()), dense.rows(), dense.cols()) =
        dense.derived().matrix();
    return result;
}

}  // namespace tr
