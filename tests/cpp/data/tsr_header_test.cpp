#include "data/tsr_header.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>

#include "support.h"
#include "tech_renaissance/data/tsr.h"

namespace tr {
namespace {

using test::Bytes;
using test::message_of;

constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();

void put(Bytes& bytes, std::size_t offset, std::int64_t value, std::size_t size) {
    auto rest = static_cast<std::uint64_t>(value);
    for (std::size_t i = 0; i < size; ++i, rest >>= 8) bytes.at(offset + i) = static_cast<unsigned char>(rest);
}

std::int64_t get(const Bytes& bytes, std::size_t offset, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = size; i > 0; --i) value = (value << 8) | bytes.at(offset + i - 1);
    return size == 4 ? static_cast<std::int32_t>(value) : static_cast<std::int64_t>(value);
}

TsrHeader decode(const Bytes& bytes, std::uint64_t file_size) {
    return decode_tsr_header(bytes.data(), bytes.size(), file_size, "x.tsr");
}

TEST(TsrHeader, Version1IsLaidOutAsSpecified) {
    const Bytes bytes = encode_tsr_header(DType::INT32, Shape(3, 4));
    ASSERT_EQ(bytes.size(), 64U);
    EXPECT_EQ(std::string(bytes.begin(), bytes.begin() + 4), "TSR!");
    const std::int64_t words[] = {1, 64, 0, 3, 2, 1, 1, 3, 4};
    for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(get(bytes, 4 + 4 * i, 4), words[i]) << i;
    EXPECT_EQ(get(bytes, 40, 8), 12);
    EXPECT_EQ(get(bytes, 48, 8), 0);
    EXPECT_EQ(get(bytes, 56, 8), 0);
}

TEST(TsrHeader, Version2IsLaidOutAsSpecified) {
    const Bytes bytes = encode_tsr_header(DType::FP64, Shape(3, 4));
    ASSERT_EQ(bytes.size(), 128U);
    const std::int64_t words[] = {2, 128, 0, 6, 2, 0, 0, 0, 0};
    for (std::size_t i = 0; i < 9; ++i) EXPECT_EQ(get(bytes, 4 + 4 * i, 4), words[i]) << i;
    const std::int64_t longs[] = {12, 96, 0, 3, 4, 0, 0, 0, 0, 0, 0};
    for (std::size_t i = 0; i < 11; ++i) EXPECT_EQ(get(bytes, 40 + 8 * i, 8), longs[i]) << i;
}

TEST(TsrHeader, Version1IsWrittenWheneverItCanSayIt) {
    const auto version = [](DType dtype, const Shape& shape) { return get(encode_tsr_header(dtype, shape), 4, 4); };
    for (const DType dtype : {DType::FP32, DType::INT8, DType::INT32}) {
        EXPECT_EQ(version(dtype, Shape()), 1);
        EXPECT_EQ(version(dtype, Shape(1, 2, 3, 4)), 1);
        EXPECT_EQ(version(dtype, Shape(0)), 1);
        EXPECT_EQ(version(dtype, Shape(1, 1, 1, 1, 1)), 2);
    }
    EXPECT_EQ(version(DType::FP16, Shape()), 2);
    EXPECT_EQ(version(DType::INT8, Shape(kInt32Max)), 1);
    EXPECT_EQ(version(DType::INT8, Shape(kInt32Max + 1)), 2);
    EXPECT_EQ(version(DType::INT8, Shape(0, kInt32Max + 1)), 2);
}

TEST(TsrHeader, HeaderOfVersion2GrowsInSteps) {
    for (const auto& [rank, size] : {std::pair{0, 64}, {1, 128}, {8, 128}, {9, 192}, {16, 192}}) {
        const Shape shape(std::vector<std::int64_t>(static_cast<std::size_t>(rank), 1));
        EXPECT_EQ(encode_tsr_header(DType::FP64, shape).size(), static_cast<std::size_t>(size)) << rank;
    }
}

TEST(TsrHeader, DecodesWhatItEncodes) {
    for (int number = 1; number <= 17; ++number) {
        for (std::size_t rank = 0; rank <= Shape::kMaxRank; ++rank) {
            for (const std::int64_t dim : {0, 1, 2}) {
                const auto dtype = static_cast<DType>(number);
                const Shape shape(std::vector<std::int64_t>(rank, dim));
                const Bytes bytes = encode_tsr_header(dtype, shape);
                const std::size_t data = static_cast<std::size_t>(shape.numel()) * dtype_size(dtype);
                const TsrHeader header = decode(bytes, bytes.size() + data);
                EXPECT_EQ(header.dtype, dtype);
                EXPECT_EQ(header.shape, shape);
                EXPECT_EQ(header.header_bytes, bytes.size());
                EXPECT_EQ(header.data_bytes, data);
                EXPECT_EQ(tsr_header_size(bytes.data(), "x.tsr"), bytes.size());
            }
        }
    }
}

TEST(TsrHeader, MoreThanTwoGigabytesInASparseFile) {
    const test::TemporaryDirectory directory;
    const Bytes bytes = encode_tsr_header(DType::BOOL, Shape(3, kInt32Max + 1));
    const auto path = directory / "large.tsr";
    test::write_bytes(path, bytes);
    const std::uint64_t expected = bytes.size() + 3 * (std::uint64_t{1} << 31);
    std::filesystem::resize_file(path, expected);
    const TsrHeader header = decode(bytes, std::filesystem::file_size(path));
    EXPECT_EQ(header.shape, Shape(3, kInt32Max + 1));
    EXPECT_EQ(header.data_bytes, 6442450944U);
    std::filesystem::resize_file(path, expected - 1);
    EXPECT_EQ(message_of<TSRError>([&] { read_tsr(path); }),
              "cannot read " + path.string() +
                  ": its length is 6442451071 bytes, expected 6442451072: "
                  "a header of 128 and data of 6442450944; the file is cut short");
}

TEST(TsrHeader, SizeThatNoMemoryHasIsNotEncoded) {
    EXPECT_THROW(encode_tsr_header(DType::FP64, Shape(std::int64_t{1} << 61)), InputError);
}

TEST(TsrHeader, HeaderIsEnoughWhenTheSizeIsNotKnown) {
    const Bytes bytes = encode_tsr_header(DType::FP32, Shape(1000));
    EXPECT_EQ(decode(bytes, kTsrUnknownSize).data_bytes, 4000U);
}

/// One kind of damage: where it is in a good header, and what the message says after "cannot read x.tsr: ".
struct Damage {
    const char* name;
    DType dtype;
    Shape shape;
    std::size_t offset;
    std::int64_t value;
    std::size_t size;
    const char* message;
};

void PrintTo(const Damage& damage, std::ostream* out) {
    *out << damage.name;
}

const Shape kMatrix{3, 4};
constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();

const Damage kDamages[] = {
    {"Magic", DType::FP32, kMatrix, 0, 0x454E4F4E, 4,
     "magic (offset 0) is the bytes 4e 4f 4e 45, expected \"TSR!\"; is this a .tsr file?"},
    {"Version0", DType::FP32, kMatrix, 4, 0, 4,
     "version (offset 4) is 0, expected 1 or 2; a newer version of tech_renaissance may read it"},
    {"Version3", DType::FP32, kMatrix, 4, 3, 4,
     "version (offset 4) is 3, expected 1 or 2; a newer version of tech_renaissance may read it"},
    {"HeaderSize1", DType::FP32, kMatrix, 8, 128, 4,
     "header size (offset 8) is 128, expected 64 in version 1 with ndim 2"},
    {"HeaderSize2", DType::FP64, kMatrix, 8, 64, 4,
     "header size (offset 8) is 64, expected 128 in version 2 with ndim 2"},
    {"HeaderSizeNegative", DType::FP64, kMatrix, 8, -128, 4,
     "header size (offset 8) is -128, expected 128 in version 2 with ndim 2"},
    {"Reserved12", DType::FP32, kMatrix, 12, 7, 4, "reserved (offset 12) is 7, expected 0"},
    {"DType0", DType::FP32, kMatrix, 16, 0, 4, "dtype (offset 16) is 0, expected 1 to 3 in version 1"},
    {"DTypeOfVersion2InVersion1", DType::FP32, kMatrix, 16, 6, 4,
     "dtype (offset 16) is 6, expected 1 to 3 in version 1"},
    {"DType18", DType::FP64, kMatrix, 16, 18, 4, "dtype (offset 16) is 18, expected 1 to 17 in version 2"},
    {"NdimNegative", DType::FP32, kMatrix, 20, -1, 4, "ndim (offset 20) is -1, expected 0 to 4 in version 1"},
    {"Ndim5InVersion1", DType::FP32, kMatrix, 20, 5, 4, "ndim (offset 20) is 5, expected 0 to 4 in version 1"},
    {"Ndim17", DType::FP64, kMatrix, 20, 17, 4, "ndim (offset 20) is 17, expected 0 to 16 in version 2"},
    {"LeadingDim", DType::FP32, kMatrix, 28, 2, 4, "dim 1 (offset 28) is 2, expected 1, as ndim is 2"},
    {"DimNegative1", DType::FP32, kMatrix, 32, -3, 4, "dim 2 (offset 32) is -3, expected 0 or more"},
    {"DimNegative2", DType::FP64, kMatrix, 72, -4, 8, "dim 1 (offset 72) is -4, expected 0 or more"},
    {"Count1", DType::FP32, kMatrix, 40, 11, 8,
     "number of elements (offset 40) is 11, expected 12, the product of the dims (3, 4)"},
    {"Count2", DType::FP64, kMatrix, 40, -12, 8,
     "number of elements (offset 40) is -12, expected 12, the product of the dims (3, 4)"},
    {"DimsDisagreeWithCount", DType::FP32, kMatrix, 36, 5, 4,
     "number of elements (offset 40) is 12, expected 15, the product of the dims (3, 5)"},
    {"DimsOverflow", DType::FP64, kMatrix, 64, kHuge, 8,
     "dims (offset 64) are (9223372036854775807, 4): cannot hold a tensor of the shape (9223372036854775807, 4) and "
     "dtype FP64 in memory, expected dimensions whose product is at most 9223372036854775807 bytes"},
    {"BytesOverflow", DType::FP64, Shape(1, 1), 64, kHuge, 8,
     "dims (offset 64) are (9223372036854775807, 1): cannot hold a tensor of the shape (9223372036854775807, 1) and "
     "dtype FP64 in memory, expected dimensions whose product is at most 9223372036854775807 bytes"},
    {"StridesOverflow", DType::UINT8, Shape(2, 2, 0), 64, kHuge, 8,
     "dims (offset 64) are (9223372036854775807, 2, 0): cannot hold a tensor of the shape "
     "(9223372036854775807, 2, 0) and dtype UINT8 in memory, expected dimensions whose product is at most "
     "9223372036854775807 bytes"},
    {"Reserved24", DType::FP64, kMatrix, 24, 1, 8, "reserved (offset 24) is 1, expected 0"},
    {"Reserved32", DType::FP64, kMatrix, 32, 1, 8, "reserved (offset 32) is 1, expected 0"},
    {"Reserved48InVersion1", DType::FP32, kMatrix, 48, 48, 8, "reserved (offset 48) is 48, expected 0"},
    {"DataBytes", DType::FP64, kMatrix, 48, 95, 8, "data bytes (offset 48) is 95, expected 96 for 12 elements of FP64"},
    {"Reserved56InVersion1", DType::FP32, kMatrix, 56, -1, 8, "reserved (offset 56) is -1, expected 0"},
    {"Reserved56InVersion2", DType::FP64, kMatrix, 56, 1, 8, "reserved (offset 56) is 1, expected 0"},
    {"Padding", DType::FP64, kMatrix, 80, 256, 8, "padding (offset 80) is 256, expected 0"},
    {"PaddingEnd", DType::FP64, kMatrix, 120, 1, 8, "padding (offset 120) is 1, expected 0"},
};

class TsrDamage : public testing::TestWithParam<Damage> {};

TEST_P(TsrDamage, IsRefusedByFieldValueAndFile) {
    const Damage& damage = GetParam();
    Bytes bytes = encode_tsr_header(damage.dtype, damage.shape);
    const std::uint64_t file_size =
        bytes.size() + static_cast<std::size_t>(damage.shape.numel()) * dtype_size(damage.dtype);
    put(bytes, damage.offset, damage.value, damage.size);
    EXPECT_EQ(message_of<TSRError>([&] { decode(bytes, file_size); }),
              std::string("cannot read x.tsr: ") + damage.message);
}

INSTANTIATE_TEST_SUITE_P(Header, TsrDamage, testing::ValuesIn(kDamages),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(TsrHeader, LengthMustBeExact) {
    const Bytes bytes = encode_tsr_header(DType::FP32, kMatrix);
    EXPECT_EQ(message_of<TSRError>([&] { decode(bytes, 111); }),
              "cannot read x.tsr: its length is 111 bytes, expected 112: a header of 64 and data of 48; "
              "the file is cut short");
    EXPECT_EQ(message_of<TSRError>([&] { decode(bytes, 115); }),
              "cannot read x.tsr: its length is 115 bytes, expected 112: a header of 64 and data of 48; "
              "there are bytes after the data");
}

TEST(TsrHeader, CutHeaderIsRefused) {
    const Bytes bytes = encode_tsr_header(DType::FP64, Shape(std::vector<std::int64_t>(16, 1)));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        const Bytes cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
        EXPECT_EQ(message_of<TSRError>([&] { decode(cut, length); }),
                  "cannot read x.tsr: its length is " + std::to_string(length) + " bytes, expected at least the " +
                      (length < 64 ? "64" : "192") + " of the header");
    }
}

TEST(TsrHeader, EverySingleFlippedBitIsRefusedOrStillConsistent) {
    for (const DType dtype : {DType::FP32, DType::FP64}) {
        const Bytes good = encode_tsr_header(dtype, kMatrix);
        const std::uint64_t file_size = good.size() + 12 * dtype_size(dtype);
        for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
            Bytes bytes = good;
            bytes[bit / 8] = static_cast<unsigned char>(bytes[bit / 8] ^ (1U << (bit % 8)));
            try {
                const TsrHeader header = decode(bytes, file_size);
                EXPECT_EQ(header.header_bytes + header.data_bytes, file_size);
                // Only two things can go unnoticed: another dtype of the same size, and a leading 1 more in version 1.
                EXPECT_TRUE(header.dtype != dtype || header.shape == Shape(1, 3, 4)) << bit;
            } catch (const TSRError& error) {
                EXPECT_NE(std::string(error.what()).find("x.tsr"), std::string::npos);
            }
        }
    }
}

}  // namespace
}  // namespace tr
