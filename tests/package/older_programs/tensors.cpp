// Tensors as programs for the older bridge make, look at and print them.
#include "tech_renaissance.h"

using namespace tr;

namespace {

int failures = 0;

void check(bool good, const char* what) {
    if (good) return;
    std::cerr << "not so: " << what << std::endl;
    ++failures;
}
#define CHECK(...) check((__VA_ARGS__), #__VA_ARGS__)

std::string printed(const Shape& shape) {
    std::ostringstream text;
    text << shape;
    return text.str();
}

void shapes() {
    const Shape image(2, 3, 4, 5);
    CHECK(image.ndim() == 4 && image.n() == 2 && image.c() == 3 && image.h() == 4 && image.w() == 5);
    CHECK(image.batch() == 2 && image.channel() == 3 && image.height() == 4 && image.width() == 5);
    const Shape matrix(4, 5);
    CHECK(matrix.ndim() == 2 && matrix.n() == 1 && matrix.c() == 1 && matrix.h() == 4 && matrix.w() == 5);
    CHECK(Shape().is_scalar() && Shape().w() == 1 && !matrix.is_scalar());
    CHECK(Shape(9, 2, 3, 4, 5).n() == 2);
    CHECK(printed(matrix) == "(4, 5)");
}

void factories() {
    const Tensor a = Tensor::full(Shape(4, 3), 1.5f, DType::FP32, tr::CPU);
    CHECK(a.data<float>()[11] == 1.5f && a.device() == tr::CPU);
    CHECK(Tensor::zeros(Shape(2), DType::INT32, tr::CPU).data<std::int32_t>()[1] == 0);
    CHECK(Tensor::ones(Shape(2), DType::INT8, tr::CPU).data<std::int8_t>()[1] == 1);
    CHECK(Tensor::empty(Shape(2, 2), DType::FP64, CPU).numel() == 4);
    CHECK(Tensor::rand(Shape(3), 7, CPU) == Tensor::rand(Shape(3), 7));
    CHECK(Tensor::randn(Shape(3), 7, CPU) == Tensor::randn(Shape(3), 7));
    CHECK(Tensor::arange(3, DType::FP32, CPU).numel() == 3);
    CHECK(Tensor::arange(0, 4, 2, DType::FP32, CPU).numel() == 2);

    const Tensor uniform = Tensor::uniform(Shape(1000), -1.0f, 3.0f, 42);
    float least = 3;
    float most = -1;
    for (std::int64_t i = 0; i < uniform.numel(); ++i) {
        least = std::min(least, uniform.data<float>()[i]);
        most = std::max(most, uniform.data<float>()[i]);
    }
    CHECK(least >= -1 && least < -0.9f && most < 3 && most > 2.9f);
    CHECK(Tensor::uniform(Shape(2), 5, 5, 1).data<float>()[0] == 5);

    const Tensor drawn = Tensor::randint(Shape(1000), -2, 3, DType::INT8, 42);
    bool seen[5] = {};
    for (std::int64_t i = 0; i < drawn.numel(); ++i) seen[drawn.data<std::int8_t>()[i] + 2] = true;
    CHECK(seen[0] && seen[1] && seen[2] && seen[3] && seen[4]);
    CHECK(Tensor::randint(Shape(2), 0, 10).dtype() == DType::FP32);
    CHECK(Tensor::randint(0, 10, Shape(2), 5) == Tensor::randint(Shape(2), 0, 10, 5));
    CHECK(Tensor::randint(Shape(2), 0, 10, 5, CPU) == Tensor::randint(Shape(2), 0, 10, DType::FP32, 5, CPU));
}

void refused() {
    const auto is_refused = [](auto make) {
        try {
            make();
        } catch (const InputError& error) {
            return std::string(error.what()).size() > 20;
        }
        return false;
    };
    const Device gpu("CUDA", 1);
    CHECK(gpu.name() == "cuda" && gpu.index() == 1 && gpu.str() == "cuda:1" && !gpu.is_cpu());
    CHECK(Device("CPU") == tr::CPU && tr::CPU.is_cpu() && tr::CPU.str() == "cpu" && tr::CPU.name() == "cpu");
    CHECK(is_refused([&] { Tensor::full(Shape(4, 3), 1.5f, DType::FP32, gpu); }));
    CHECK(is_refused([&] { Tensor::zeros(Shape(4, 3), DType::FP32, gpu); }));
    CHECK(is_refused([&] { Tensor::empty(Shape(4, 3), DType::FP32, gpu); }));
    CHECK(is_refused([&] { Tensor::rand(Shape(4, 3), 0, gpu); }));
    CHECK(is_refused([&] { Tensor::randn(Shape(4, 3), 0, gpu); }));
    CHECK(is_refused([&] { Tensor::uniform(Shape(4, 3), 0, 1, 0, gpu); }));
    CHECK(is_refused([&] { Tensor::randint(Shape(4, 3), 0, 1, 0, gpu); }));
    CHECK(is_refused([&] { Tensor::arange(3, DType::FP32, gpu); }));
    CHECK(is_refused([&] { Tensor::randint(Shape(1), 3, 3); }));
    CHECK(is_refused([&] { Tensor::randint(Shape(1), 0, 1000, DType::INT8); }));
    CHECK(is_refused([&] { Tensor::randint(Shape(1), 0, 3, DType::BOOL); }));
    CHECK(is_refused([&] { Tensor::uniform(Shape(1), 2, 1); }));
    CHECK(is_refused([] { Device("a name of more than 15 letters"); }));
    CHECK(is_refused([] { string_to_dtype("FP31"); }));
}

void members() {
    Tensor tensor = Tensor::full(Shape(2, 3, 4, 5), 1.0f);
    CHECK(tensor.ndim() == 4 && tensor.dim_size(1) == 3);
    CHECK(tensor.batch() == 2 && tensor.channel() == 3 && tensor.height() == 4 && tensor.width() == 5);
    CHECK(tensor.memory_size() == 480 && tensor.dtype_size() == 4);
    CHECK(!tensor.is_empty() && Tensor().is_empty() && Tensor::empty(Shape(0)).is_empty());
    CHECK(!tensor.is_scalar() && Tensor::full(Shape(), 1).is_scalar() && tensor.is_contiguous());
    static_cast<float*>(tensor.data_ptr())[0] = 8;
    CHECK(tensor.view().data<float>()[0] == 8 && tensor.view(Shape(120)).ndim() == 1);
    CHECK(static_cast<const float*>(static_cast<const Tensor&>(tensor).data_ptr())[0] == 8);
    CHECK(Tensor().data_ptr() == nullptr);
    CHECK(tensor == tensor.clone() && tensor != Tensor::ones(Shape(2, 3, 4, 5)) && Tensor() == Tensor());
    CHECK(tensor != Tensor());

    const float values[] = {1, 2, 3};
    float back[3] = {};
    Tensor three = Tensor::empty(Shape(3));
    three.from_cpu_data(values, sizeof values);
    three.to_cpu_data(back, sizeof back);
    CHECK(back[2] == 3);
    bool refused = false;
    try {
        three.from_cpu_data(values, 4);
    } catch (const TRException&) {
        refused = true;
    }
    CHECK(refused);
    CHECK(dtype_to_string(DType::FP32) == "FP32" && string_to_dtype("FP32") == DType::FP32);
    CHECK(string_to_dtype("int8") == DType::INT8 && string_to_dtype("bfloat16") == DType::BF16);
    std::ostringstream text;
    text << DType::INT8 << ' ' << tr::CPU << ' ' << three;
    CHECK(text.str() == "INT8 cpu tensor([1., 2., 3.])");
}

}  // namespace

int main() {
    shapes();
    factories();
    refused();
    members();
    // What people read.
    Tensor::full(Shape(2), 1.0f / 3).print("third", 6);
    Tensor::full(Shape(4, 3), 1.5f).summary("a");
    Tensor().summary();
    return failures == 0 ? 0 : 1;
}
