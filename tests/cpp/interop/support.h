#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "cpp/data/support.h"
#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/data/tensor_view.h"

namespace tr::test {

inline const std::vector<DType>& all_dtypes() {
    static const std::vector<DType> dtypes = [] {
        std::vector<DType> found;
        for (std::int32_t number = 1; is_dtype(number); ++number) found.push_back(static_cast<DType>(number));
        return found;
    }();
    return dtypes;
}

/// 0, 1, 0, 1, ...: values that every dtype holds.
inline Tensor bits_of(const Shape& shape, DType dtype) {
    Tensor tensor = Tensor::zeros(shape, dtype);
    const Tensor one = Tensor::ones(Shape(), dtype);
    const std::size_t size = dtype_size(dtype);
    for (std::size_t at = size; at < tensor.nbytes(); at += 2 * size) {
        std::memcpy(static_cast<unsigned char*>(tensor.raw_data()) + at, one.raw_data(), size);
    }
    return tensor;
}

/// A view of memory that was promised to live has these elements; reads all of them.
inline void expect_same(const TensorView& view, const Tensor& expected) {
    ASSERT_EQ(view.dtype(), expected.dtype());
    ASSERT_EQ(view.shape(), expected.shape());
    EXPECT_TRUE(view.nbytes() == 0 || std::memcmp(view.data(), expected.raw_data(), view.nbytes()) == 0);
}

/// A part of a message, whole.
#define TR_EXPECT_IN(message, part) EXPECT_NE((message).find(part), std::string::npos) << (message)

}  // namespace tr::test
