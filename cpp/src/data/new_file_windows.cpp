#ifdef _WIN32

// Not tested: this project runs its tests on Linux.

#include <process.h>

#include "data/new_file.h"

namespace tr {

std::FILE* create_new_file(const std::filesystem::path& path) {
    return ::_wfopen(path.c_str(), L"wbxN");
}

long long current_process_id() {
    return ::_getpid();
}

}  // namespace tr

#endif
