#include "platform/reserve.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "platform/host.h"

namespace tr::platform {

int reserve(int file, std::uint64_t size) {
    if (over_file_limit(size)) return EFBIG;
    const int error = ::posix_fallocate(file, 0, static_cast<off_t>(size));
    if (error != EINTR) return error;
    // A program with a timer may be interrupted each time, and what was reserved is given back each time: so in pieces.
    constexpr std::uint64_t kPiece = 256U << 10;
    for (std::uint64_t done = 0; done < size;) {
        const std::uint64_t piece = std::min(kPiece, size - done);
        const int failed = ::posix_fallocate(file, static_cast<off_t>(done), static_cast<off_t>(piece));
        if (failed != 0 && failed != EINTR) return failed;
        if (failed == 0) done += piece;
    }
    return 0;
}

bool over_file_limit(std::uint64_t size) {
    const std::uint64_t limit = limit_of(Limit::file_size);
    return limit != 0 && size > limit;
}

}  // namespace tr::platform
