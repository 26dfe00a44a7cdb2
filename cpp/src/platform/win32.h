#pragma once

// What the Windows sources share. Included by *_windows.cpp only.

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#if !defined(_WIN32_WINNT) || _WIN32_WINNT < 0x0A00
#undef _WIN32_WINNT
#define _WIN32_WINNT 0x0A00  // Windows 10: job lists, and names that go while a file is open
#endif
#include <windows.h>

#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace tr::platform {

/// Owns a handle of the kernel.
class UniqueHandle {
  public:
    UniqueHandle() = default;
    explicit UniqueHandle(HANDLE handle) : handle_(handle == nullptr ? INVALID_HANDLE_VALUE : handle) {}
    ~UniqueHandle() { reset(); }
    UniqueHandle(UniqueHandle&& other) noexcept : handle_(other.release()) {}
    UniqueHandle& operator=(UniqueHandle&& other) noexcept {
        if (this != &other) {
            reset();
            handle_ = other.release();
        }
        return *this;
    }
    UniqueHandle(const UniqueHandle&) = delete;
    UniqueHandle& operator=(const UniqueHandle&) = delete;

    HANDLE get() const { return handle_; }
    HANDLE release() { return std::exchange(handle_, INVALID_HANDLE_VALUE); }
    explicit operator bool() const { return handle_ != INVALID_HANDLE_VALUE; }
    void reset() {
        if (*this) ::CloseHandle(release());
    }

  private:
    HANDLE handle_ = INVALID_HANDLE_VALUE;
};

[[noreturn]] inline void fail(DWORD error, const std::string& action) {
    throw std::system_error(static_cast<int>(error), std::system_category(), action);
}

constexpr DWORD kShareAll = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// Calls until it succeeds, a second is over or the error is another than "somebody has the file open". Peers and virus
/// scanners open files for a moment without sharing them, and Windows tells nobody when they close them.
/// @param also another error that may pass
template <class Call>
DWORD retried(const Call& call, DWORD also = ERROR_ACCESS_DENIED) {
    constexpr DWORD kLongestPause = 16;
    constexpr DWORD kAll = 1000;
    DWORD paused = 0;
    for (DWORD pause = 1;; pause = pause < kLongestPause ? 2 * pause : pause) {
        if (call()) return ERROR_SUCCESS;
        const DWORD error = ::GetLastError();
        const bool busy = error == ERROR_SHARING_VIOLATION || error == ERROR_ACCESS_DENIED ||
                          error == ERROR_LOCK_VIOLATION || error == ERROR_USER_MAPPED_FILE || error == also;
        if (!busy || paused > kAll) return error;
        ::Sleep(pause);
        paused += pause;
    }
}

/// UTF-16 from UTF-8.
/// @throws std::system_error when it is not UTF-8: a name must not quietly become another
inline std::wstring widen(std::string_view text) {
    if (text.empty()) return {};
    const auto bytes = static_cast<int>(text.size());
    const int units = ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), bytes, nullptr, 0);
    if (units == 0) fail(::GetLastError(), "reading as UTF-8 '" + std::string(text) + "'");
    std::wstring wide(static_cast<std::size_t>(units), L'\0');
    ::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text.data(), bytes, wide.data(), units);
    return wide;
}

/// UTF-8 from UTF-16; half a surrogate pair becomes a replacement character.
inline std::string narrow(std::wstring_view wide) {
    if (wide.empty()) return {};
    const auto units = static_cast<int>(wide.size());
    const int bytes = ::WideCharToMultiByte(CP_UTF8, 0, wide.data(), units, nullptr, 0, nullptr, nullptr);
    std::string text(static_cast<std::size_t>(bytes), '\0');
    ::WideCharToMultiByte(CP_UTF8, 0, wide.data(), units, text.data(), bytes, nullptr, nullptr);
    return text;
}

}  // namespace tr::platform
