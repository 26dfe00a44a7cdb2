// Windows. Run under wine alone.
#include "platform/input_stream.h"

#include "platform/win32.h"

#include <algorithm>
#include <array>
#include <cerrno>

namespace tr::platform {
namespace {

/// Reads what a std::ifstream would not share: nobody could replace the file meanwhile.
class HandleBuffer final : public std::streambuf {
  public:
    explicit HandleBuffer(UniqueHandle file) : file_(std::move(file)) {}

  protected:
    int_type underflow() override {
        const std::size_t count = read(small_.data(), small_.size());
        setg(small_.data(), small_.data(), small_.data() + count);
        return count == 0 ? traits_type::eof() : traits_type::to_int_type(small_.front());
    }

    std::streamsize xsgetn(char* memory, std::streamsize wanted) override {
        const auto size = static_cast<std::size_t>(wanted);
        std::size_t done = std::min(size, static_cast<std::size_t>(egptr() - gptr()));
        std::copy_n(gptr(), done, memory);
        gbump(static_cast<int>(done));
        while (done < size) {
            const std::size_t count = read(memory + done, size - done);
            if (count == 0) break;
            done += count;
        }
        return static_cast<std::streamsize>(done);
    }

  private:
    std::size_t read(char* memory, std::size_t size) {
        constexpr std::size_t kMost = 1U << 30;
        DWORD count = 0;
        const bool good = ::ReadFile(file_.get(), memory, static_cast<DWORD>(std::min(size, kMost)), &count, nullptr);
        return good ? count : 0;
    }

    UniqueHandle file_;
    std::array<char, 4096> small_{};
};

class InputStream final : public std::istream {
  public:
    explicit InputStream(UniqueHandle file) : std::istream(nullptr), buffer_(std::move(file)) { rdbuf(&buffer_); }

  private:
    HandleBuffer buffer_;
};

int errno_of(DWORD error) {
    if (error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND) return ENOENT;
    return error == ERROR_ACCESS_DENIED || error == ERROR_SHARING_VIOLATION ? EACCES : EIO;
}

}  // namespace

std::unique_ptr<std::istream> open_input(const std::filesystem::path& path) {
    UniqueHandle file;
    const DWORD error = retried([&] {
        file = UniqueHandle(::CreateFileW(path.c_str(), GENERIC_READ, kShareAll, nullptr, OPEN_EXISTING, 0, nullptr));
        return static_cast<bool>(file);
    });
    auto stream = std::make_unique<InputStream>(std::move(file));
    if (error != ERROR_SUCCESS) {
        stream->setstate(std::ios::failbit);
        errno = errno_of(error);
    }
    return stream;
}

}  // namespace tr::platform
