#pragma once

/// Tensors as OpenCV images, and the other way round. Needs OpenCV 4, of it only the core; not part of
/// tech_renaissance.h.
///
/// An image of one channel is a tensor of the shape (height, width), one of several channels (height, width, channels).

#include <cstdint>
#include <limits>
#include <memory>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/data/tensor_view.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

/// The depth of OpenCV that holds a dtype, e.g. CV_32F.
/// @throws InputError for a dtype that OpenCV does not have
inline int to_opencv_depth(DType dtype) {
    switch (dtype) {
        case DType::UINT8:
            return CV_8U;
        case DType::INT8:
            return CV_8S;
        case DType::UINT16:
            return CV_16U;
        case DType::INT16:
            return CV_16S;
        case DType::INT32:
            return CV_32S;
        case DType::FP32:
            return CV_32F;
        case DType::FP64:
            return CV_64F;
        case DType::FP16:
            return CV_16F;
        default:
            throw InputError("cannot view a tensor of dtype " + to_string(dtype) +
                             " as a cv::Mat, which holds UINT8, INT8, UINT16, INT16, INT32, FP16, FP32 and FP64; copy "
                             "it into a tensor of one of these");
    }
}

/// The dtype of a depth of OpenCV.
/// @throws InputError for a depth that no tensor holds
inline DType from_opencv_depth(int depth) {
    switch (depth) {
        case CV_8U:
            return DType::UINT8;
        case CV_8S:
            return DType::INT8;
        case CV_16U:
            return DType::UINT16;
        case CV_16S:
            return DType::INT16;
        case CV_32S:
            return DType::INT32;
        case CV_32F:
            return DType::FP32;
        case CV_64F:
            return DType::FP64;
        case CV_16F:
            return DType::FP16;
        default:
            throw InputError("cannot take a cv::Mat of depth " + std::to_string(depth) +
                             " as a tensor, expected CV_8U, CV_8S, CV_16U, CV_16S, CV_32S, CV_16F, CV_32F or CV_64F; "
                             "convert it with convertTo()");
    }
}

/// The tensor's own memory as an image: rank 2 has one channel, rank 3 as many as the last dimension.
///
/// The cv::Mat is a header alone and owns nothing: it and its copies are valid while a tensor that shares this memory
/// lives. `clone()` makes one that owns its memory. OpenCV keeps no const: a Mat of a const tensor is to be read only.
/// @throws InputError when the dtype, the rank or the number of channels is none of OpenCV's
inline cv::Mat as_opencv(Tensor& tensor) {
    const int depth = to_opencv_depth(tensor.dtype());
    const Shape& shape = tensor.shape();
    if (shape.rank() != 2 && shape.rank() != 3) {
        throw InputError("cannot view a tensor of the shape " + shape.to_string() +
                         " as a cv::Mat, expected (height, width) or (height, width, channels); reshape it first");
    }
    const std::int64_t channels = shape.rank() == 3 ? shape[2] : 1;
    if (channels < 1 || channels > CV_CN_MAX) {
        throw InputError("cannot view a tensor of the shape " + shape.to_string() + " as a cv::Mat of " +
                         std::to_string(channels) + " channels, expected 1 to " + std::to_string(CV_CN_MAX) +
                         "; reshape it, or move the channels to the last dimension");
    }
    constexpr std::int64_t kLargest = std::numeric_limits<int>::max();
    if (shape[0] > kLargest || shape[1] > kLargest) {
        throw InputError("cannot view a tensor of the shape " + shape.to_string() +
                         " as a cv::Mat, whose height and width are at most " + std::to_string(kLargest) +
                         "; reshape it first");
    }
    return cv::Mat(static_cast<int>(shape[0]), static_cast<int>(shape[1]),
                   CV_MAKETYPE(depth, static_cast<int>(channels)), tensor.raw_data());
}
inline const cv::Mat as_opencv(const Tensor& tensor) {  // NOLINT(readability-const-return-type): to be read only
    Tensor shared = tensor;
    return as_opencv(shared);
}
/// A header over a tensor that nobody holds would be left dangling: give the tensor a name first.
void as_opencv(Tensor&& tensor) = delete;
void as_opencv(const Tensor&& tensor) = delete;

/// The memory of an image as a tensor; whoever calls keeps it alive and unchanged for as long as the view is used.
/// Channels are the last dimension, and one channel adds none.
/// @throws InputError when there are gaps between the rows, as in a part of a wider image, or the Mat is none
inline TensorView view_of(const cv::Mat& mat) {
    if (mat.dims == 0) {
        throw InputError(
            "cannot view an empty cv::Mat as a tensor: nothing has been assigned to it. If it is what cv::imread "
            "gave, the file could not be read");
    }
    const DType dtype = from_opencv_depth(mat.depth());
    std::vector<std::int64_t> dims(mat.size.p, mat.size.p + mat.dims);
    if (mat.channels() > 1) dims.push_back(mat.channels());
    const Shape shape(dims);
    if (!mat.empty() && !mat.isContinuous()) {
        throw InputError("cannot view a cv::Mat of the shape " + shape.to_string() +
                         " as a tensor: it is not continuous, there are gaps between its rows; copy it with clone()");
    }
    return TensorView(static_cast<const void*>(mat.data), shape, dtype);
}

/// The same as a tensor that shares the memory and keeps it alive, as a copy of the cv::Mat would.
/// @throws InputError when view_of() would, or the Mat does not own its memory
inline Tensor from_opencv(const cv::Mat& mat) {
    const TensorView view = view_of(mat);
    if (mat.u == nullptr && view.nbytes() != 0) {
        throw InputError("cannot share the memory of a cv::Mat of the shape " + view.shape().to_string() +
                         ": it is a header over memory that it does not own; copy it with clone()");
    }
    const auto owner = std::make_shared<cv::Mat>(mat);
    return Tensor::from_storage(std::shared_ptr<void>(owner, owner->data), view.shape(), view.dtype());
}

}  // namespace tr
