#pragma once

#include <filesystem>
#include <iosfwd>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/data/tensor_view.h"
#include "tech_renaissance/export.h"

namespace tr {

/// Reads a tensor from a `.tsr` file of version 1 or 2. The file stays as it is.
/// @throws TSRError when it cannot be read or is malformed: the message names the file, the field, what stands there
///         and what was expected. Sizes are checked against the file before memory is taken for them.
TR_API Tensor read_tsr(const std::filesystem::path& path);
/// Reads one tensor from a stream; what comes after it stays in the stream.
TR_API Tensor read_tsr(std::istream& stream);

/// Writes a tensor to a `.tsr` file, in version 1 when that can say it. The file appears whole or not at all: it is
/// written under another name in the same directory, then renamed. An existing file is replaced; one that a link leads
/// to is left alone, the link is replaced. The umask decides who may read it.
/// @throws TSRError when it cannot be written; nothing is left behind then.
TR_API void write_tsr(const TensorView& tensor, const std::filesystem::path& path);
TR_API void write_tsr(const TensorView& tensor, std::ostream& stream);

// By the names that programs for the older bridge use.
inline Tensor import_tsr(const std::filesystem::path& path) {
    return read_tsr(path);
}
inline void export_tsr(const TensorView& tensor, const std::filesystem::path& path) {
    write_tsr(tensor, path);
}
#define IMPORT_TENSOR ::tr::import_tsr
#define EXPORT_TENSOR ::tr::export_tsr

}  // namespace tr
