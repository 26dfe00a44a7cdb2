#include "data/atomic_file.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>
#include <utility>

#include "data/new_file.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

namespace fs = std::filesystem;

namespace {

std::string error_text(int error) {
    return std::generic_category().message(error);
}

fs::path directory_of(const fs::path& path) {
    return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

AtomicFile::AtomicFile(fs::path target) : target_(std::move(target)) {
    refuse_special_target();
    create();
    // Unbuffered, as callers write few and large pieces.
    std::setvbuf(file_, nullptr, _IONBF, 0);
}

AtomicFile::~AtomicFile() {
    if (file_ != nullptr) std::fclose(file_);
    if (!temporary_.empty()) {
        std::error_code ignored;
        fs::remove(temporary_, ignored);
    }
}

void AtomicFile::write(const void* data, std::size_t bytes) {
    if (bytes == 0) return;
    errno = 0;
    if (const std::size_t written = std::fwrite(data, 1, bytes, file_); written != bytes) {
        fail("after " + std::to_string(written) + " of " + std::to_string(bytes) +
             " bytes: " + error_text(errno == 0 ? EIO : errno));
    }
}

void AtomicFile::commit() {
    if (std::fclose(std::exchange(file_, nullptr)) != 0) fail(error_text(errno));
    std::error_code error;
    fs::rename(temporary_, target_, error);
    if (error) fail("renaming " + path_text(temporary_) + " to it: " + error.message());
    temporary_.clear();
}

void AtomicFile::fail(const std::string& what) const {
    throw TSRError("cannot write " + path_text(target_) + ": " + what);
}

void AtomicFile::refuse_special_target() const {
    if (!target_.has_filename()) fail("expected the name of a file");
    std::error_code error;
    const fs::file_status status = fs::status(target_, error);
    if (fs::is_directory(status)) fail("it is a directory, expected the name of a file");
    // Renaming over a device or pipe would put a file in its place.
    if (fs::exists(status) && !fs::is_regular_file(status)) fail("it is a device, pipe or socket, expected a file");
    const fs::path directory = directory_of(target_);
    const bool usable = fs::is_directory(directory, error);
    if (error && error != std::errc::no_such_file_or_directory) fail(path_text(directory) + ": " + error.message());
    if (!usable) fail("there is no directory " + path_text(directory) + "; create it first");
}

void AtomicFile::create() {
    static std::atomic<std::uint64_t> counter{0};
    constexpr int kTries = 1000;  // names can be taken: by files of a dead process that had the same number
    for (int i = 0; i < kTries && file_ == nullptr; ++i) {
        const fs::path candidate = directory_of(target_) / (".tmp-" + std::to_string(current_process_id()) + "-" +
                                                            std::to_string(counter.fetch_add(1)));
        file_ = create_new_file(candidate);
        if (file_ != nullptr) {
            temporary_ = candidate;
        } else if (errno != EEXIST) {
            fail("creating " + path_text(candidate) + ": " + error_text(errno) +
                 "; its directory must be one that you may write to");
        }
    }
    if (file_ == nullptr) fail("its directory is full of .tmp- files that nobody removed; remove them");
}

std::string path_text(const fs::path& path) {
    const auto text = path.u8string();
    return {text.begin(), text.end()};
}

}  // namespace tr
