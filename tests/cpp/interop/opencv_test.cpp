#include "tech_renaissance/interop/opencv.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <opencv2/core.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "cpp/interop/support.h"

namespace tr {
namespace {

using test::message_of;

const std::vector<std::pair<DType, int>> kDepths = {
    {DType::UINT8, CV_8U},  {DType::INT8, CV_8S},  {DType::UINT16, CV_16U}, {DType::INT16, CV_16S},
    {DType::INT32, CV_32S}, {DType::FP32, CV_32F}, {DType::FP64, CV_64F},   {DType::FP16, CV_16F},
};

TEST(InteropOpencv, EveryDepthBothWays) {
    for (const auto& [dtype, depth] : kDepths) {
        for (const Shape& shape : {Shape(4, 5), Shape(4, 5, 3), Shape(2, 2, CV_CN_MAX)}) {
            Tensor tensor = test::bits_of(shape, dtype);
            const cv::Mat mat = as_opencv(tensor);
            EXPECT_EQ(mat.depth(), depth);
            EXPECT_EQ(mat.rows, shape[0]);
            EXPECT_EQ(mat.cols, shape[1]);
            EXPECT_EQ(mat.channels(), shape.rank() == 3 ? shape[2] : 1);
            EXPECT_EQ(mat.data, tensor.raw_data());
            test::expect_same(view_of(mat), tensor);
            const cv::Mat own = mat.clone();
            test::expect_same(view_of(own), tensor);
            const Tensor back = from_opencv(own);
            test::expect_same(back, tensor);
            EXPECT_EQ(back.raw_data(), own.data);
        }
    }
}

TEST(InteropOpencv, MemoryIsShared) {
    Tensor tensor = Tensor::zeros(Shape(4, 5, 3), DType::UINT8);
    cv::Mat mat = as_opencv(tensor);
    mat.at<cv::Vec3b>(1, 2)[1] = 7;
    EXPECT_EQ(tensor.data<std::uint8_t>()[(1 * 5 + 2) * 3 + 1], 7);
    tensor.data<std::uint8_t>()[0] = 9;
    EXPECT_EQ(mat.at<cv::Vec3b>(0, 0)[0], 9);

    cv::Mat own(2, 2, CV_32F, cv::Scalar(1));
    Tensor shared = from_opencv(own);
    own.at<float>(1, 1) = 5;
    EXPECT_EQ(shared.data<float>()[3], 5);
    shared.data<float>()[0] = 6;
    EXPECT_EQ(own.at<float>(0, 0), 6);
}

TEST(InteropOpencv, TensorOutlivesTheMat) {
    Tensor tensor;
    {
        const cv::Mat mat(30, 40, CV_32SC3, cv::Scalar(1, 1, 1));
        tensor = from_opencv(mat);
    }
    EXPECT_TRUE(tensor.equal(Tensor::ones(Shape(30, 40, 3), DType::INT32)));
}

TEST(InteropOpencv, MatOutlivesTheTensor) {
    cv::Mat mat(30, 40, CV_32F, cv::Scalar(2));
    Tensor tensor = from_opencv(mat);
    tensor = Tensor();
    EXPECT_EQ(cv::sum(mat)[0], 2.0 * 30 * 40);
    // A header is valid while any tensor shares the memory, and a clone for ever.
    Tensor first = Tensor::ones(Shape(30, 40));
    Tensor second = first;
    const cv::Mat header = as_opencv(first);
    first = Tensor();
    EXPECT_EQ(cv::sum(header)[0], 30.0 * 40);
    const cv::Mat clone = header.clone();
    second = Tensor();
    EXPECT_EQ(cv::sum(clone)[0], 30.0 * 40);
}

TEST(InteropOpencv, OneChannelAddsNoDimension) {
    Tensor tensor = Tensor::zeros(Shape(4, 5, 1));
    EXPECT_EQ(view_of(as_opencv(tensor)).shape(), Shape(4, 5));
    const std::vector<int> sizes = {2, 3, 4};
    EXPECT_EQ(view_of(cv::Mat(sizes, CV_32FC2, cv::Scalar(0, 0))).shape(), Shape(2, 3, 4, 2));
}

TEST(InteropOpencv, EmptyImages) {
    Tensor tensor = Tensor::empty(Shape(0, 5, 3));
    const cv::Mat mat = as_opencv(tensor);
    EXPECT_TRUE(mat.empty());
    EXPECT_EQ(view_of(mat).shape(), Shape(0, 5, 3));
    EXPECT_EQ(from_opencv(mat).shape(), Shape(0, 5, 3));
    TR_EXPECT_IN(message_of<InputError>([] { view_of(cv::Mat()); }), "cannot view an empty cv::Mat as a tensor");
}

TEST(InteropOpencv, PartOfAnImage) {
    const cv::Mat mat(4, 6, CV_8UC3, cv::Scalar(1, 2, 3));
    const cv::Mat rows = mat.rowRange(1, 3);
    EXPECT_EQ(view_of(rows).shape(), Shape(2, 6, 3));
    EXPECT_EQ(from_opencv(rows).raw_data(), rows.data);
    const cv::Mat columns = mat.colRange(1, 3);
    EXPECT_EQ(message_of<InputError>([&] { view_of(columns); }),
              "cannot view a cv::Mat of the shape (4, 2, 3) as a tensor: it is not continuous, there are gaps between "
              "its rows; copy it with clone()");
    EXPECT_EQ(view_of(columns.clone()).shape(), Shape(4, 2, 3));
}

TEST(InteropOpencv, RefusalsSayWhatToDo) {
    for (const DType dtype : test::all_dtypes()) {
        Tensor tensor = Tensor::zeros(Shape(2, 2), dtype);
        bool known = false;
        for (const auto& entry : kDepths) known = known || entry.first == dtype;
        if (known) continue;
        TR_EXPECT_IN(message_of<InputError>([&] { as_opencv(tensor); }),
                     "cannot view a tensor of dtype " + to_string(dtype) + " as a cv::Mat");
    }
    TR_EXPECT_IN(message_of<InputError>([] { from_opencv_depth(100); }), "cannot take a cv::Mat of depth 100");
    for (const Shape& shape : {Shape(), Shape(4), Shape(1, 2, 3, 4)}) {
        Tensor tensor = Tensor::zeros(shape);
        TR_EXPECT_IN(message_of<InputError>([&] { as_opencv(tensor); }),
                     "expected (height, width) or (height, width, channels); reshape it first");
    }
    for (const Shape& shape : {Shape(1, 1, CV_CN_MAX + 1), Shape(1, 1, 0)}) {
        Tensor tensor = Tensor::zeros(shape);
        TR_EXPECT_IN(message_of<InputError>([&] { as_opencv(tensor); }), "channels, expected 1 to 512");
    }
    Tensor wide = Tensor::empty(Shape(0, std::int64_t{1} << 31));
    TR_EXPECT_IN(message_of<InputError>([&] { as_opencv(wide); }), "at most 2147483647");
    float number = 0;
    TR_EXPECT_IN(message_of<InputError>([&] { from_opencv(cv::Mat(1, 1, CV_32F, &number)); }), "copy it with clone()");
    Tensor undefined;
    EXPECT_THROW(as_opencv(undefined), InputError);
}

template <class AnyTensor, class = void>
struct CanBeMat : std::false_type {};
template <class AnyTensor>
struct CanBeMat<AnyTensor, std::void_t<decltype(as_opencv(std::declval<AnyTensor>()))>> : std::true_type {};
static_assert(CanBeMat<Tensor&>::value && CanBeMat<const Tensor&>::value);
static_assert(!CanBeMat<Tensor>::value && !CanBeMat<const Tensor>::value, "the header would dangle");

TEST(InteropOpencv, Page) {
    tr::Tensor tensor = tr::Tensor::ones(tr::Shape(4, 5, 3));
    // docs/interop.md shows this.
    cv::Mat image = tr::as_opencv(tensor);     // a header over the tensor's own memory: (height, width[, channels])
    cv::Mat own = image.clone();               // one that may outlive the tensor
    tr::TensorView view = tr::view_of(own);    // no copy; for calculate() and write_tsr()
    tr::Tensor shared = tr::from_opencv(own);  // keeps the image's memory alive
    // Until here.
    EXPECT_EQ(view.data(), shared.raw_data());
    EXPECT_EQ(image.data, tensor.raw_data());
}

}  // namespace
}  // namespace tr
