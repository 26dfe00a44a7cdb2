#include <gtest/gtest.h>

#include "support.h"
#include "tech_renaissance/data/tsr.h"

#if __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>
#define TR_TEST_HAS_JSON 1
#endif

// Files that existing programs wrote. They are not part of this repository; they lie beside it where it is developed.

namespace tr {
namespace {

namespace fs = std::filesystem;

fs::path samples() {
    return test::repository() / ".." / "shared" / "tsr_samples";
}

TEST(Samples, EmptyTensorOfAnotherWriter) {
    const fs::path path = samples() / "py_zero_0x3.tsr";
    if (!fs::exists(path)) GTEST_SKIP() << "the sample files are not here: " << path;
    const Tensor tensor = read_tsr(path);
    EXPECT_EQ(tensor.shape(), Shape(0, 3));
    EXPECT_EQ(tensor.dtype(), DType::FP32);
}

TEST(Samples, FilesAreWrittenAgainByteForByte) {
    if (!fs::exists(samples())) GTEST_SKIP() << "the sample files are not here: " << samples();
    const test::TemporaryDirectory directory;
    for (const auto& entry : fs::directory_iterator(samples())) {
        if (entry.path().extension() != ".tsr") continue;
        write_tsr(read_tsr(entry.path()), directory / "again.tsr");
        EXPECT_EQ(test::read_bytes(directory / "again.tsr"), test::read_bytes(entry.path())) << entry.path();
    }
}

#ifdef TR_TEST_HAS_JSON

template <class T>
Tensor tensor_of(const nlohmann::json& entry) {
    const Shape shape(entry.at("shape").get<std::vector<std::int64_t>>());
    return Tensor::from_vector(entry.at("values").get<std::vector<T>>(), shape);
}

TEST(Samples, FilesHoldTheValuesTheyWereWrittenWith) {
    const fs::path list = samples() / "expected_values.json";
    if (!fs::exists(list)) GTEST_SKIP() << "the sample files are not here: " << list;
    std::ifstream stream(list);
    const nlohmann::json entries = nlohmann::json::parse(stream);
    EXPECT_FALSE(entries.empty());
    for (const auto& [name, entry] : entries.items()) {
        SCOPED_TRACE(name);
        const std::string dtype = entry.at("dtype");
        const Tensor expected = dtype == "torch.float32" ? tensor_of<float>(entry)
                                : dtype == "torch.int32" ? tensor_of<std::int32_t>(entry)
                                                         : tensor_of<std::int8_t>(entry);
        std::string report;
        EXPECT_TRUE(read_tsr(samples() / ("cpp_" + name + ".tsr")).equal(expected, &report)) << report;
    }
}

#endif

}  // namespace
}  // namespace tr
