#ifndef _WIN32

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "data/new_file.h"

namespace tr {

std::FILE* create_new_file(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0) return nullptr;
    std::FILE* file = ::fdopen(descriptor, "wb");
    if (file == nullptr) {
        const int error = errno;
        ::close(descriptor);
        ::unlink(path.c_str());
        errno = error;
    }
    return file;
}

long long current_process_id() {
    return ::getpid();
}

}  // namespace tr

#endif
