#include "tech_renaissance/data/tsr.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <istream>
#include <ostream>
#include <system_error>
#include <vector>

#include "data/tsr_header.h"
#include "platform/file.h"
#include "platform/input_stream.h"
#include "tech_renaissance/utils/tr_exception.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "Data of .tsr files is little-endian; on this machine the elements would have to be swapped"
#endif

namespace tr {

namespace fs = std::filesystem;

namespace {

// What may be taken on the word of a header alone, when the length of the source is not known.
constexpr std::size_t kTrustedBytes = std::size_t{1} << 20;
const std::string kStreamName = "the stream";

[[noreturn]] void refuse(const std::string& name, const std::string& what) {
    throw TSRError("cannot read " + name + ": " + what);
}

/// Gives how many bytes came; fewer than asked for at the end, and on a failure.
std::size_t read_some(std::istream& stream, void* data, std::size_t bytes) {
    if (bytes == 0) return 0;
    try {
        stream.read(static_cast<char*>(data), static_cast<std::streamsize>(bytes));
    } catch (const std::ios_base::failure&) {
        // A stream can be told to throw; what it gave until then counts the same either way.
    }
    return static_cast<std::size_t>(stream.gcount());
}

[[noreturn]] void refuse_short(const std::string& name, const char* part, std::size_t got, std::size_t expected) {
    refuse(name, "it ended after " + std::to_string(got) + " bytes of the " + part + ", expected " +
                     std::to_string(expected) + "; it is cut short");
}

void read_data(std::istream& stream, void* data, std::size_t bytes, const std::string& name) {
    if (const std::size_t got = read_some(stream, data, bytes); got != bytes) refuse_short(name, "data", got, bytes);
}

/// Bytes from here to the end, or kTsrUnknownSize for a source that cannot go back.
std::uint64_t remaining_bytes(std::istream& stream) {
    std::streambuf* buffer = stream.rdbuf();
    const std::streamoff here = buffer->pubseekoff(0, std::ios::cur, std::ios::in);
    if (here < 0) return kTsrUnknownSize;
    const std::streamoff end = buffer->pubseekoff(0, std::ios::end, std::ios::in);
    if (end < here || buffer->pubseekoff(here, std::ios::beg, std::ios::in) != here) return kTsrUnknownSize;
    return static_cast<std::uint64_t>(end - here);
}

/// Takes memory only as data arrives, so that a header cannot make us take what never comes.
std::vector<unsigned char> read_growing(std::istream& stream, std::size_t bytes, const std::string& name) {
    std::vector<unsigned char> data;
    while (data.size() < bytes) {
        const std::size_t before = data.size();
        const std::size_t step = std::min(bytes - before, std::max(kTrustedBytes, before));
        data.resize(before + step);
        const std::size_t got = read_some(stream, data.data() + before, step);
        if (got != step) refuse_short(name, "data", before + got, bytes);
    }
    return data;
}

std::string kind_of(const fs::file_status& status) {
    return fs::is_directory(status) ? "a directory" : "a device, pipe or socket";
}

/// A path in UTF-8, as messages show it and the platform layer takes it.
std::string path_text(const fs::path& path) {
    const auto text = path.u8string();
    return {text.begin(), text.end()};
}

[[noreturn]] void refuse_target(const fs::path& path, const std::string& what) {
    throw TSRError("cannot write " + path_text(path) + ": " + what);
}

void check_target(const fs::path& path) {
    if (!path.has_filename()) refuse_target(path, "expected the name of a file");
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    // Renaming over a device or pipe would put a file in its place.
    if (fs::exists(status) && !fs::is_regular_file(status))
        refuse_target(path, "it is " + kind_of(status) + ", expected the name of a file");
    const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
    const bool usable = fs::is_directory(directory, error);
    if (error && error != std::errc::no_such_file_or_directory)
        refuse_target(path, path_text(directory) + ": " + error.message());
    if (!usable) refuse_target(path, "there is no directory " + path_text(directory) + "; create it first");
}

/// What to do about a write that failed; nothing where the error says it all.
std::string advice_for(const std::error_code& error) {
    const bool forbidden = error == std::errc::permission_denied || error == std::errc::operation_not_permitted ||
                           error == std::errc::read_only_file_system;
    return forbidden ? "; its directory must be one that you may write to" : "";
}

}  // namespace

Tensor read_tsr(const fs::path& path) {
    const std::string name = path_text(path);
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) refuse(name, (error ? error.message() : "no such file") + "; check the path");
    // Opening a pipe would wait for its writer, and a device may have no end.
    if (!fs::is_regular_file(status)) refuse(name, "it is " + kind_of(status) + ", expected a regular file");
    errno = 0;
    const auto opened = platform::open_input(path);
    std::istream& stream = *opened;
    if (!stream) refuse(name, "opening it: " + std::generic_category().message(errno == 0 ? EIO : errno));
    const std::uintmax_t size = fs::file_size(path, error);
    if (error) refuse(name, "asking for its length: " + error.message());

    unsigned char bytes[kTsrMaxHeader];
    const std::size_t start =
        read_some(stream, bytes, static_cast<std::size_t>(std::min<std::uintmax_t>(size, kTsrMaxHeader)));
    const TsrHeader header = decode_tsr_header(bytes, start, size, name);
    Tensor tensor = Tensor::empty(header.shape, header.dtype);
    auto* data = static_cast<unsigned char*>(tensor.raw_data());
    const std::size_t already = start - header.header_bytes;
    if (already != 0) std::memcpy(data, bytes + header.header_bytes, already);
    if (header.data_bytes > already) read_data(stream, data + already, header.data_bytes - already, name);
    check_tsr_data(header.dtype, tensor.raw_data(), header.data_bytes, name);
    return tensor;
}

Tensor read_tsr(std::istream& stream) {
    unsigned char bytes[kTsrMaxHeader];
    std::size_t start = read_some(stream, bytes, kTsrMinHeader);
    if (start != kTsrMinHeader) refuse_short(kStreamName, "header", start, kTsrMinHeader);
    const std::size_t header_bytes = tsr_header_size(bytes, kStreamName);
    start += read_some(stream, bytes + start, header_bytes - start);
    if (start != header_bytes) refuse_short(kStreamName, "header", start, header_bytes);
    const TsrHeader header = decode_tsr_header(bytes, start, kTsrUnknownSize, kStreamName);

    Tensor tensor;
    if (header.data_bytes <= kTrustedBytes) {
        tensor = Tensor::empty(header.shape, header.dtype);
        read_data(stream, tensor.raw_data(), header.data_bytes, kStreamName);
    } else if (const std::uint64_t left = remaining_bytes(stream); left == kTsrUnknownSize) {
        const std::vector<unsigned char> data = read_growing(stream, header.data_bytes, kStreamName);
        tensor = Tensor::from_data(data.data(), header.shape, header.dtype);
    } else if (left < header.data_bytes) {
        refuse_short(kStreamName, "data", static_cast<std::size_t>(left), header.data_bytes);
    } else {
        tensor = Tensor::empty(header.shape, header.dtype);
        read_data(stream, tensor.raw_data(), header.data_bytes, kStreamName);
    }
    check_tsr_data(header.dtype, tensor.raw_data(), header.data_bytes, kStreamName);
    return tensor;
}

void write_tsr(const TensorView& tensor, const fs::path& path) {
    check_target(path);
    const std::vector<unsigned char> header = encode_tsr_header(tensor.dtype(), tensor.shape());
    try {
        platform::write_atomic(path_text(path), {reinterpret_cast<const char*>(header.data()), header.size()},
                               {static_cast<const char*>(tensor.data()), tensor.nbytes()}, platform::Readers::umask);
    } catch (const std::system_error& error) {
        throw TSRError("cannot write " + path_text(path) + " (" + std::to_string(header.size() + tensor.nbytes()) +
                       " bytes): " + error.code().message() + advice_for(error.code()));
    }
}

void write_tsr(const TensorView& tensor, std::ostream& stream) {
    const std::vector<unsigned char> header = encode_tsr_header(tensor.dtype(), tensor.shape());
    try {
        stream.write(reinterpret_cast<const char*>(header.data()), static_cast<std::streamsize>(header.size()));
        if (tensor.nbytes() != 0) {
            stream.write(static_cast<const char*>(tensor.data()), static_cast<std::streamsize>(tensor.nbytes()));
        }
    } catch (const std::ios_base::failure&) {
        // Told below, like the failure of a stream that does not throw.
    }
    if (!stream) {
        throw TSRError("cannot write a tensor of " + std::to_string(tensor.nbytes()) +
                       " bytes to the stream, which has failed; the stream holds a part of it");
    }
}

}  // namespace tr
