#include "data/tsr_header.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "data/byte_count.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

namespace {

constexpr unsigned char kMagic[4] = {'T', 'S', 'R', '!'};
constexpr std::int32_t kHeaderUnit = 64;
constexpr std::int32_t kVersion1Rank = 4;
constexpr std::int64_t kVersion1Dim = std::numeric_limits<std::int32_t>::max();

// Offsets of the fields.
constexpr std::size_t kVersion = 4;
constexpr std::size_t kHeaderSize = 8;
constexpr std::size_t kReserved = 12;
constexpr std::size_t kDType = 16;
constexpr std::size_t kRank = 20;
constexpr std::size_t kDims1 = 24;
constexpr std::size_t kCount = 40;
constexpr std::size_t kDataBytes = 48;
constexpr std::size_t kEnd = 56;
constexpr std::size_t kDims2 = 64;

template <class Int>
void put(unsigned char* bytes, std::size_t offset, Int value) {
    auto rest = static_cast<std::uint64_t>(value);
    for (std::size_t i = 0; i < sizeof(Int); ++i, rest >>= 8) bytes[offset + i] = static_cast<unsigned char>(rest);
}

std::uint64_t get(const unsigned char* bytes, std::size_t offset, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = size; i > 0; --i) value = (value << 8) | bytes[offset + i - 1];
    return value;
}

std::int32_t header_size_of(std::int32_t version, std::int32_t rank) {
    if (version == 1) return kHeaderUnit;
    return (kHeaderUnit + 8 * rank + kHeaderUnit - 1) / kHeaderUnit * kHeaderUnit;
}

bool fits_version1(DType dtype, const Shape& shape) {
    const bool old_dtype = dtype == DType::FP32 || dtype == DType::INT8 || dtype == DType::INT32;
    return old_dtype && shape.rank() <= kVersion1Rank &&
           std::all_of(shape.begin(), shape.end(), [](std::int64_t dim) { return dim <= kVersion1Dim; });
}

class Decoder {
  public:
    Decoder(const unsigned char* bytes, const std::string& name) : bytes_(bytes), name_(name) {}

    /// Checks the fields that have the same place in both versions.
    void read_start() {
        if (std::memcmp(bytes_, kMagic, sizeof(kMagic)) != 0) {
            refuse("magic (offset 0) is " + magic_text() + ", expected \"TSR!\"; is this a .tsr file?");
        }
        version_ = i32(kVersion);
        if (version_ != 1 && version_ != 2) {
            refuse_field("version", kVersion, version_, "1 or 2; a newer version of tech_renaissance may read it");
        }
        rank_ = i32(kRank);
        const std::int32_t most = version_ == 1 ? kVersion1Rank : static_cast<std::int32_t>(Shape::kMaxRank);
        if (rank_ < 0 || rank_ > most)
            refuse_field("ndim", kRank, rank_, "0 to " + std::to_string(most) + in_version());
        const std::int32_t size = header_size_of(version_, rank_);
        if (i32(kHeaderSize) != size) {
            refuse_field("header size", kHeaderSize, i32(kHeaderSize),
                         std::to_string(size) + in_version() + " with ndim " + std::to_string(rank_));
        }
        header_bytes_ = static_cast<std::size_t>(size);
        require_zero("reserved", kReserved, 4);
        const std::int32_t most_dtype = static_cast<std::int32_t>(version_ == 1 ? DType::INT32 : DType::FP8_E5M2);
        const std::int32_t dtype = i32(kDType);
        if (dtype < 1 || dtype > most_dtype) {
            refuse_field("dtype", kDType, dtype, "1 to " + std::to_string(most_dtype) + in_version());
        }
        dtype_ = static_cast<DType>(dtype);
    }

    /// Checks the rest; all of the header must be there.
    TsrHeader read_rest() {
        TsrHeader header;
        header.dtype = dtype_;
        header.header_bytes = header_bytes_;
        header.shape = version_ == 1 ? dims_of_version1() : dims_of_version2();
        header.data_bytes = data_bytes(header.shape);
        const std::int64_t count = header.shape.numel();
        if (i64(kCount) != count) {
            refuse_field("number of elements", kCount, i64(kCount),
                         std::to_string(count) + ", the product of the dims " + header.shape.to_string());
        }
        if (version_ == 1) {
            require_zero("reserved", kDataBytes, 8);
        } else if (get(bytes_, kDataBytes, 8) != header.data_bytes) {
            refuse_field("data bytes", kDataBytes, i64(kDataBytes),
                         std::to_string(header.data_bytes) + " for " + std::to_string(count) + " elements of " +
                             to_string(dtype_));
        }
        require_zero("reserved", kEnd, 8);
        return header;
    }

    std::size_t header_bytes() const { return header_bytes_; }
    [[noreturn]] void refuse(const std::string& what) const { throw TSRError("cannot read " + name_ + ": " + what); }

  private:
    std::int32_t i32(std::size_t offset) const {
        return static_cast<std::int32_t>(static_cast<std::uint32_t>(get(bytes_, offset, 4)));
    }
    std::int64_t i64(std::size_t offset) const { return static_cast<std::int64_t>(get(bytes_, offset, 8)); }
    std::string in_version() const { return " in version " + std::to_string(version_); }

    std::string magic_text() const {
        constexpr char kHex[] = "0123456789abcdef";
        std::string text = "the bytes";
        for (std::size_t i = 0; i < sizeof(kMagic); ++i) {
            text += {' ', kHex[bytes_[i] >> 4], kHex[bytes_[i] & 15]};
        }
        return text;
    }

    [[noreturn]] void refuse_field(const std::string& field, std::size_t offset, std::int64_t value,
                                   const std::string& expected) const {
        refuse(field + " (offset " + std::to_string(offset) + ") is " + std::to_string(value) + ", expected " +
               expected);
    }

    void require_zero(const std::string& field, std::size_t offset, std::size_t size) const {
        const std::int64_t value = size == 4 ? i32(offset) : i64(offset);
        if (value != 0) refuse_field(field, offset, value, "0");
    }

    Shape dims_of_version1() const {
        std::int64_t dims[kVersion1Rank];
        for (std::int32_t i = 0; i < kVersion1Rank; ++i) {
            const std::size_t offset = kDims1 + 4 * static_cast<std::size_t>(i);
            dims[i] = i32(offset);
            const std::string field = "dim " + std::to_string(i);
            if (i < kVersion1Rank - rank_ && dims[i] != 1) {
                refuse_field(field, offset, dims[i], "1, as ndim is " + std::to_string(rank_));
            }
            if (dims[i] < 0) refuse_field(field, offset, dims[i], "0 or more");
        }
        return Shape(dims + kVersion1Rank - rank_, static_cast<std::size_t>(rank_));
    }

    Shape dims_of_version2() const {
        require_zero("reserved", kDims1, 8);
        require_zero("reserved", kDims1 + 8, 8);
        const auto rank = static_cast<std::size_t>(rank_);
        std::int64_t dims[Shape::kMaxRank] = {};
        for (std::size_t i = 0; i < rank; ++i) {
            const std::size_t offset = kDims2 + 8 * i;
            dims[i] = i64(offset);
            if (dims[i] < 0) refuse_field("dim " + std::to_string(i), offset, dims[i], "0 or more");
        }
        for (std::size_t offset = kDims2 + 8 * rank; offset < header_bytes_; offset += 8) {
            require_zero("padding", offset, 8);
        }
        return Shape(dims, rank);
    }

    std::size_t data_bytes(const Shape& shape) const {
        try {
            return byte_count(shape, dtype_);
        } catch (const InputError& error) {
            refuse("dims (offset " + std::to_string(version_ == 1 ? kDims1 : kDims2) + ") are " + shape.to_string() +
                   ": " + error.what());
        }
    }

    const unsigned char* bytes_;
    const std::string& name_;
    std::int32_t version_ = 0;
    std::int32_t rank_ = 0;
    std::size_t header_bytes_ = 0;
    DType dtype_ = DType::FP32;
};

}  // namespace

std::vector<unsigned char> encode_tsr_header(DType dtype, const Shape& shape) {
    const std::size_t data_bytes = byte_count(shape, dtype);
    const std::int32_t version = fits_version1(dtype, shape) ? 1 : 2;
    const auto rank = static_cast<std::int32_t>(shape.rank());
    const std::int32_t size = header_size_of(version, rank);
    std::vector<unsigned char> bytes(static_cast<std::size_t>(size));
    std::copy(std::begin(kMagic), std::end(kMagic), bytes.begin());
    put(bytes.data(), kVersion, version);
    put(bytes.data(), kHeaderSize, size);
    put(bytes.data(), kDType, static_cast<std::int32_t>(dtype));
    put(bytes.data(), kRank, rank);
    put(bytes.data(), kCount, shape.numel());
    if (version == 1) {
        for (std::int32_t i = 0; i < kVersion1Rank; ++i) {
            const std::int64_t dim = i < kVersion1Rank - rank ? 1 : shape.dim(i - kVersion1Rank);
            put(bytes.data(), kDims1 + 4 * static_cast<std::size_t>(i), static_cast<std::int32_t>(dim));
        }
    } else {
        put(bytes.data(), kDataBytes, data_bytes);
        std::size_t offset = kDims2;
        for (const std::int64_t dim : shape) {
            put(bytes.data(), offset, dim);
            offset += 8;
        }
    }
    return bytes;
}

TsrHeader decode_tsr_header(const unsigned char* bytes, std::size_t available, std::uint64_t file_size,
                            const std::string& name) {
    Decoder decoder(bytes, name);
    const auto require_header = [&](std::size_t size) {
        if (available < size) {
            decoder.refuse("its length is " + std::to_string(std::min<std::uint64_t>(available, file_size)) +
                           " bytes, expected at least the " + std::to_string(size) + " of the header");
        }
    };
    require_header(kTsrMinHeader);
    decoder.read_start();
    require_header(decoder.header_bytes());
    TsrHeader header = decoder.read_rest();
    // Both are far below 2^63, so the sum cannot overflow.
    const std::uint64_t expected = std::uint64_t{header.header_bytes} + header.data_bytes;
    if (file_size != kTsrUnknownSize && file_size != expected) {
        decoder.refuse("its length is " + std::to_string(file_size) + " bytes, expected " + std::to_string(expected) +
                       ": a header of " + std::to_string(header.header_bytes) + " and data of " +
                       std::to_string(header.data_bytes) +
                       (file_size < expected ? "; the file is cut short" : "; there are bytes after the data"));
    }
    return header;
}

std::size_t tsr_header_size(const unsigned char* bytes, const std::string& name) {
    Decoder decoder(bytes, name);
    decoder.read_start();
    return decoder.header_bytes();
}

void check_tsr_data(DType dtype, const void* data, std::size_t bytes, const std::string& name) {
    if (dtype != DType::BOOL) return;
    const auto* first = static_cast<const unsigned char*>(data);
    unsigned char all = 0;
    for (std::size_t i = 0; i < bytes; ++i) all = static_cast<unsigned char>(all | first[i]);
    if (all <= 1) return;
    const auto* bad = std::find_if(first, first + bytes, [](unsigned char byte) { return byte > 1; });
    throw TSRError("cannot read " + name + ": element " + std::to_string(bad - first) + " of the BOOL data is " +
                   std::to_string(*bad) + ", expected 0 or 1");
}

}  // namespace tr
