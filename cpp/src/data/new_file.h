#pragma once

#include <cstdio>
#include <filesystem>

namespace tr {

/// Creates a file for writing in binary; fails, with errno set, when anything of that name is there, a link included.
/// The umask decides who may read it. The caller closes it. Null on failure.
std::FILE* create_new_file(const std::filesystem::path& path);

/// The number of this process, for names that no other process uses at the same time.
long long current_process_id();

}  // namespace tr
