// Windows. Run under wine alone.
#include "platform/file.h"
#include "platform/win32.h"

namespace tr::platform {
namespace {

/// @returns an empty handle when another holds the lock
UniqueHandle lock_file(const std::string& path, DWORD flags) {
    // Shared in every way, so that the directory around a lock can be removed while it is held. Neither a link is
    // followed nor a directory opened.
    UniqueHandle file(::CreateFileW(widen(path).c_str(), GENERIC_READ | GENERIC_WRITE,
                                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr, OPEN_ALWAYS,
                                    FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
    if (!file) fail(::GetLastError(), "opening the lock '" + path + "'");
    OVERLAPPED start{};
    if (!::LockFileEx(file.get(), LOCKFILE_EXCLUSIVE_LOCK | flags, 0, MAXDWORD, MAXDWORD, &start)) {
        const DWORD error = ::GetLastError();
        if (error != ERROR_LOCK_VIOLATION && error != ERROR_IO_PENDING) fail(error, "locking '" + path + "'");
        file.reset();
    }
    return file;
}

}  // namespace

FileLock FileLock::try_acquire(const std::string& path) {
    return FileLock(reinterpret_cast<std::intptr_t>(lock_file(path, LOCKFILE_FAIL_IMMEDIATELY).release()));
}

FileLock FileLock::acquire(const std::string& path) {
    return FileLock(reinterpret_cast<std::intptr_t>(lock_file(path, 0).release()));
}

FileLock::FileLock(std::intptr_t handle) : handle_(handle) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
    if (this != &other) {
        release();
        handle_ = std::exchange(other.handle_, kNone);
    }
    return *this;
}

void FileLock::release() noexcept {
    if (handle_ != kNone) ::CloseHandle(reinterpret_cast<HANDLE>(handle_));
    handle_ = kNone;
}

}  // namespace tr::platform
