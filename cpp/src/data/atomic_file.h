#pragma once

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>

namespace tr {

/// A file that appears under its name whole or not at all: it is written as `.tmp-<pid>-<n>` in the same directory,
/// and commit() renames it. Without commit() the destructor removes it. One thread at a time.
///
/// What fails is a TSRError that names the file.
class AtomicFile {
  public:
    explicit AtomicFile(std::filesystem::path target);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    void write(const void* data, std::size_t bytes);
    void commit();

  private:
    [[noreturn]] void fail(const std::string& what) const;
    void refuse_special_target() const;
    void create();

    std::filesystem::path target_;
    std::filesystem::path temporary_;
    std::FILE* file_ = nullptr;
};

/// A path as messages show it, in UTF-8.
std::string path_text(const std::filesystem::path& path);

}  // namespace tr
