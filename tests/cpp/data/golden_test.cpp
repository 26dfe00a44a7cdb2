#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <sstream>

#include "data/visit_dtype.h"
#include "support.h"
#include "tech_renaissance/data/tsr.h"

// tests/golden/README.md says what the files hold.

namespace tr {
namespace {

namespace fs = std::filesystem;

struct GoldenFile {
    fs::path path;
    DType dtype = DType::FP32;
    int version = 0;
    Shape shape;
    bool extremes = false;
};

DType dtype_of_name(std::string name) {
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    for (int number = 1; is_dtype(number); ++number) {
        if (to_string(static_cast<DType>(number)) == name) return static_cast<DType>(number);
    }
    ADD_FAILURE() << "no dtype " << name;
    return DType::FP32;
}

GoldenFile parse(const fs::path& path) {
    GoldenFile file;
    file.path = path;
    const std::string name = path.stem().string();
    const std::size_t version = name.rfind("_v");
    file.dtype = dtype_of_name(name.substr(0, version));
    file.version = name[version + 2] - '0';
    std::string dims = name.substr(version + 4);
    if (const std::size_t kind = dims.find('_'); kind != std::string::npos) {
        file.extremes = dims.substr(kind) == "_extremes";
        dims.resize(kind);
    }
    std::vector<std::int64_t> sizes;
    if (dims != "scalar") {
        std::istringstream stream(dims);
        for (std::string dim; std::getline(stream, dim, 'x');) sizes.push_back(std::stoll(dim));
    }
    file.shape = Shape(sizes);
    return file;
}

std::vector<GoldenFile> golden_files() {
    std::vector<GoldenFile> files;
    for (const auto& entry : fs::directory_iterator(test::repository() / "tests" / "golden")) {
        if (entry.path().extension() == ".tsr") files.push_back(parse(entry.path()));
    }
    return files;
}

double real_element(std::int64_t index) {
    return static_cast<double>(index % 16 - 8) / 2;
}

template <class T>
T expected_element(std::int64_t index) {
    if constexpr (is_complex_v<T>) {
        using Part = typename T::value_type;
        return {static_cast<Part>(real_element(index)), static_cast<Part>(-real_element(index + 5))};
    } else if constexpr (std::is_same_v<T, bool>) {
        return index % 3 == 0;
    } else if constexpr (std::is_integral_v<T>) {
        const std::uint64_t pattern = static_cast<std::uint64_t>(index + 1) * 0x9E3779B97F4A7C15U;
        return static_cast<T>(pattern >> (64 - 8 * sizeof(T)));
    } else if constexpr (std::is_same_v<T, double>) {
        return real_element(index);
    } else {
        return static_cast<T>(static_cast<float>(real_element(index)));
    }
}

TEST(Golden, FilesAreThereForEveryDtypeVersionAndRank) {
    std::set<std::pair<int, std::string>> seen;
    std::map<DType, int> per_dtype;
    std::set<std::size_t> ranks;
    for (const GoldenFile& file : golden_files()) {
        ++per_dtype[file.dtype];
        ranks.insert(file.shape.rank());
        seen.insert({file.version, file.shape.numel() == 0 ? "empty" : file.shape.rank() == 0 ? "scalar" : "full"});
    }
    EXPECT_EQ(per_dtype.size(), 17U);
    EXPECT_EQ(ranks.size(), 17U);
    EXPECT_EQ(seen.size(), 6U);
}

TEST(Golden, FilesHoldWhatTheirNamesSay) {
    for (const GoldenFile& file : golden_files()) {
        SCOPED_TRACE(file.path.filename());
        const Tensor tensor = read_tsr(file.path);
        EXPECT_EQ(tensor.dtype(), file.dtype);
        EXPECT_EQ(tensor.shape(), file.shape);
        if (file.extremes) continue;
        visit_dtype(file.dtype, [&](auto tag) {
            using T = typename decltype(tag)::type;
            for (std::int64_t i = 0; i < tensor.numel(); ++i) {
                const T expected = expected_element<T>(i);
                EXPECT_EQ(widen(tensor.data<T>()[i]), widen(expected)) << "element " << i;
            }
        });
    }
}

TEST(Golden, FilesAreWrittenAgainByteForByte) {
    const test::TemporaryDirectory directory;
    for (const GoldenFile& file : golden_files()) {
        SCOPED_TRACE(file.path.filename());
        const Tensor tensor = read_tsr(file.path);
        write_tsr(tensor, directory / "again.tsr");
        std::ostringstream stream;
        write_tsr(tensor, stream);
        const test::Bytes bytes = test::read_bytes(directory / "again.tsr");
        EXPECT_EQ(stream.str(), std::string(bytes.begin(), bytes.end()));
        const bool needless_version2 = file.version == 2 && bytes[4] == 1;
        fs::path expected = file.path;
        if (needless_version2) {
            std::string name = expected.filename().string();
            expected.replace_filename(name.replace(name.rfind("_v2"), 3, "_v1"));
        }
        EXPECT_EQ(bytes, test::read_bytes(expected)) << expected;
    }
}

TEST(Golden, EdgesOfFloatsMeanWhatTheyShould) {
    constexpr float kInf = std::numeric_limits<float>::infinity();
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    const auto expect = [&](const std::string& name, const std::vector<double>& expected) {
        SCOPED_TRACE(name);
        const auto path = test::repository() / "tests" / "golden" / (name + "_extremes.tsr");
        const Tensor tensor = read_tsr(path);
        ASSERT_EQ(tensor.numel(), static_cast<std::int64_t>(expected.size()));
        visit_dtype(tensor.dtype(), [&](auto tag) {
            using T = typename decltype(tag)::type;
            if constexpr (!is_complex_v<T> && !std::is_integral_v<T>) {
                for (std::size_t i = 0; i < expected.size(); ++i) {
                    const double value = widen(tensor.data<T>()[i]);
                    if (std::isnan(expected[i])) {
                        EXPECT_TRUE(std::isnan(value));
                    } else {
                        EXPECT_EQ(value, expected[i]) << i;
                        EXPECT_EQ(std::signbit(value), std::signbit(expected[i])) << i;
                    }
                }
            }
        });
    };
    expect("fp32_v1_10", {0, -0.0, 0x1p-149, 0x1.fffffcp-127, 0x1p-126, 1, 0x1.fffffep127, kInf, -kInf, kNan});
    expect("fp16_v2_10", {0, -0.0, 0x1p-24, 0x3ffp-24, 0x1p-14, 1, 65504, kInf, -kInf, kNan});
    expect("bf16_v2_10", {0, -0.0, 0x1p-133, 0x7fp-133, 0x1p-126, 1, 0x1.fep127, kInf, -kInf, kNan});
    expect("fp64_v2_10",
           {0, -0.0, 0x1p-1074, 0xfffffffffffffp-1074, 0x1p-1022, 1, 0x1.fffffffffffffp1023, kInf, -kInf, kNan});
    expect("fp8_e4m3fn_v2_8", {0, -0.0, 0x1p-9, 0x7p-9, 0x1p-6, 1, 448, kNan});
    expect("fp8_e5m2_v2_10", {0, -0.0, 0x1p-16, 0x3p-16, 0x1p-14, 1, 57344, kInf, -kInf, kNan});
}

TEST(Golden, EdgesOfIntegersMeanWhatTheyShould) {
    const auto expect = [](const std::string& name, auto example) {
        SCOPED_TRACE(name);
        using T = decltype(example);
        const auto path = test::repository() / "tests" / "golden" / (name + "_5_extremes.tsr");
        const Tensor tensor = read_tsr(path);
        using Limits = std::numeric_limits<T>;
        const auto ones = static_cast<T>(~std::uint64_t{0});
        const auto top = std::is_signed_v<T> ? Limits::min() : static_cast<T>(Limits::max() / 2 + 1);
        const std::vector<T> expected{0, 1, std::is_signed_v<T> ? Limits::max() : static_cast<T>(top - 1), top, ones};
        EXPECT_TRUE(tensor.equal(Tensor::from_vector(expected)));
    };
    expect("int8_v1", std::int8_t{});
    expect("uint8_v2", std::uint8_t{});
    expect("int16_v2", std::int16_t{});
    expect("uint16_v2", std::uint16_t{});
    expect("int32_v1", std::int32_t{});
    expect("uint32_v2", std::uint32_t{});
    expect("int64_v2", std::int64_t{});
    expect("uint64_v2", std::uint64_t{});
}

}  // namespace
}  // namespace tr
