#include "tech_renaissance/data/tensor_view.h"

#include "data/byte_count.h"
#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

TensorView::TensorView(const Tensor& tensor) : TensorView(tensor.raw_data(), tensor.shape(), tensor.dtype()) {}

TensorView::TensorView(const void* data, const Shape& shape, DType dtype)
    : data_(data), shape_(shape), dtype_(dtype), numel_(shape.numel()), nbytes_(byte_count(shape, dtype)) {
    if (data == nullptr && numel_ != 0) {
        throw InputError("cannot view " + std::to_string(numel_) + " elements at a null pointer, expected memory of " +
                         std::to_string(nbytes_) + " bytes");
    }
}

}  // namespace tr
