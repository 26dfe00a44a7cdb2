#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tech_renaissance/data/dtype.h"
#include "tech_renaissance/data/shape.h"

namespace tr {

/// The header of a `.tsr` file: bytes in, values out, no files. The format is in docs/protocol.md.
struct TsrHeader {
    DType dtype = DType::FP32;
    Shape shape;
    std::size_t header_bytes = 0;  ///< the data starts here; a multiple of 64
    std::size_t data_bytes = 0;
};

inline constexpr std::size_t kTsrMinHeader = 64;
inline constexpr std::size_t kTsrMaxHeader = 64 + 8 * Shape::kMaxRank;
/// For a source whose length is not known, such as a stream.
inline constexpr std::uint64_t kTsrUnknownSize = UINT64_MAX;

/// The header of a tensor, in version 1 when that can say it, else in version 2.
/// @throws InputError when the data would be longer than memory can be.
std::vector<unsigned char> encode_tsr_header(DType dtype, const Shape& shape);

/// Checks everything that a header says and gives it as values.
/// @param bytes     the start of the file, at least the header: kTsrMaxHeader bytes or the whole file are enough
/// @param file_size the header's sizes must add up to exactly this, unless it is kTsrUnknownSize
/// @param name      what messages call the file
/// @throws TSRError naming the file, the field, its value and what was expected.
TsrHeader decode_tsr_header(const unsigned char* bytes, std::size_t available, std::uint64_t file_size,
                            const std::string& name);

/// Length of the header that starts with these kTsrMinHeader bytes, for a source that must not be read too far.
/// @throws TSRError when the first bytes are malformed already.
std::size_t tsr_header_size(const unsigned char* bytes, const std::string& name);

/// A byte of BOOL data other than 0 and 1 is no bool, and reading it as one is undefined.
/// @throws TSRError naming the first such byte.
void check_tsr_data(DType dtype, const void* data, std::size_t bytes, const std::string& name);

}  // namespace tr
