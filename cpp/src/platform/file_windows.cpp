// Windows. Run under wine alone.
#include "platform/file.h"

#include "platform/win32.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace tr::platform {
namespace {

/// A link is opened itself, not what it points at; directories can be opened too.
constexpr DWORD kAsItStands = FILE_FLAG_OPEN_REPARSE_POINT | FILE_FLAG_BACKUP_SEMANTICS;
constexpr std::size_t kLargestTransfer = 1U << 30;
// Names that headers of mingw-w64 hide or lack.
constexpr auto kFileDispositionInfoEx = static_cast<FILE_INFO_BY_HANDLE_CLASS>(21);
constexpr DWORD kDiskQuotaExceeded = 1295;

[[noreturn]] void fail(DWORD error, const std::string& action, const std::string& path) {
    platform::fail(error, action + " '" + path + "'");
}

bool is_missing(DWORD error) {
    return error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND || error == ERROR_DELETE_PENDING;
}

UniqueHandle open_file(const std::wstring& path, DWORD access, DWORD creation, DWORD flags) {
    return UniqueHandle(::CreateFileW(path.c_str(), access, kShareAll, nullptr, creation, flags, nullptr));
}

bool is_regular(const UniqueHandle& file, BY_HANDLE_FILE_INFORMATION& info) {
    constexpr DWORD kOther = FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT;
    return ::GetFileType(file.get()) == FILE_TYPE_DISK && ::GetFileInformationByHandle(file.get(), &info) &&
           (info.dwFileAttributes & kOther) == 0;
}

FileIdentity identity_of(const BY_HANDLE_FILE_INFORMATION& info) {
    return {static_cast<std::uint64_t>(info.nFileIndexHigh) << 32 | info.nFileIndexLow,
            static_cast<std::uint64_t>(info.nFileSizeHigh) << 32 | info.nFileSizeLow, info.nNumberOfLinks};
}

/// An open regular file; an empty handle when there is no such file.
UniqueHandle open_regular(const std::string& path, DWORD access, FileIdentity& identity) {
    const std::wstring wide = widen(path);
    UniqueHandle file;
    const DWORD error = retried([&] {
        file = open_file(wide, access, OPEN_EXISTING, kAsItStands);
        return static_cast<bool>(file);
    });
    if (is_missing(error)) return {};
    if (error != ERROR_SUCCESS) fail(error, "opening", path);
    BY_HANDLE_FILE_INFORMATION info{};
    if (!is_regular(file, info))
        throw std::system_error(EINVAL, std::generic_category(), "refusing what is not a regular file: '" + path + "'");
    identity = identity_of(info);
    return file;
}

DWORD write_all(const UniqueHandle& file, std::string_view bytes) {
    while (!bytes.empty()) {
        DWORD written = 0;
        if (!::WriteFile(file.get(), bytes.data(), static_cast<DWORD>(std::min(bytes.size(), kLargestTransfer)),
                         &written, nullptr))
            return ::GetLastError();
        bytes.remove_prefix(written);
    }
    return ERROR_SUCCESS;
}

/// @returns how much was read: less than `size` when the file is shorter
std::size_t read_all(const UniqueHandle& file, void* memory, std::size_t size, const std::string& path) {
    std::size_t done = 0;
    while (done < size) {
        DWORD count = 0;
        if (!::ReadFile(file.get(), static_cast<char*>(memory) + done,
                        static_cast<DWORD>(std::min(size - done, kLargestTransfer)), &count, nullptr))
            fail(::GetLastError(), "reading", path);
        if (count == 0) break;
        done += count;
    }
    return done;
}

DWORD replace(const std::wstring& from, const std::wstring& to) {
    return retried([&] { return ::MoveFileExW(from.c_str(), to.c_str(), MOVEFILE_REPLACE_EXISTING) != 0; });
}

/// A name in the same directory that is not meant for readers; it may be taken, by what a dead process has left behind.
std::wstring temporary_name(const std::wstring& path) {
    static std::atomic<std::uint64_t> counter{0};
    const auto slash = path.find_last_of(L"/\\:");
    return path.substr(0, slash == std::wstring::npos ? 0 : slash + 1) + L".tmp-" +
           std::to_wstring(::GetCurrentProcessId()) + L"-" + std::to_wstring(counter.fetch_add(1));
}

bool is_directory(const std::wstring& path) {
    const DWORD attributes = ::GetFileAttributesW(path.c_str());
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
}

/// Removes a file, a link or an empty directory. A file's name goes at once, even while somebody has it open.
/// @param also see retried()
DWORD remove_entry(const std::wstring& path, DWORD also = ERROR_ACCESS_DENIED) {
    const auto remove = [&] {
        UniqueHandle file = open_file(path, DELETE, OPEN_EXISTING, kAsItStands);
        if (!file) return false;
        FILE_DISPOSITION_INFO_EX how{FILE_DISPOSITION_FLAG_DELETE | FILE_DISPOSITION_FLAG_POSIX_SEMANTICS};
        if (::SetFileInformationByHandle(file.get(), kFileDispositionInfoEx, &how, sizeof how)) return true;
        if (::GetLastError() != ERROR_INVALID_PARAMETER && ::GetLastError() != ERROR_NOT_SUPPORTED) return false;
        // FAT and others know no more than what follows, by which a name stays until the last handle closes.
        if (!is_directory(path)) {
            file.reset();
            const std::wstring aside = temporary_name(path);
            if (!::MoveFileExW(path.c_str(), aside.c_str(), 0)) return false;
            file = open_file(aside, DELETE, OPEN_EXISTING, kAsItStands);
            if (!file) return true;
        }
        FILE_DISPOSITION_INFO plain{TRUE};
        return ::SetFileInformationByHandle(file.get(), FileDispositionInfo, &plain, sizeof plain) != 0;
    };
    return retried(remove, also);
}

void remove_directory(const std::wstring& path) {
    WIN32_FIND_DATAW entry{};
    const HANDLE search = ::FindFirstFileW((path + L"\\*").c_str(), &entry);
    if (search != INVALID_HANDLE_VALUE) {
        do {
            const std::wstring name = entry.cFileName;
            if (name == L"." || name == L"..") continue;
            const bool is_link = (entry.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
            if (!is_link && (entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0)
                remove_directory(path + L"\\" + name);
            else
                remove_entry(path + L"\\" + name);
        } while (::FindNextFileW(search, &entry));
        ::FindClose(search);
    }
    remove_entry(path, ERROR_DIR_NOT_EMPTY);  // until those who have a file of it open have closed it
}

SharedFile share(const UniqueHandle& file, const FileIdentity& identity, const std::string& path) {
    SharedFile shared;
    shared.identity = identity;
    if (identity.size == 0) return shared;
    const UniqueHandle mapping(::CreateFileMappingW(file.get(), nullptr, PAGE_READWRITE, 0, 0, nullptr));
    void* memory = mapping ? ::MapViewOfFile(mapping.get(), FILE_MAP_ALL_ACCESS, 0, 0, 0) : nullptr;
    if (memory == nullptr) fail(::GetLastError(), "mapping", path);
    shared.memory = std::shared_ptr<void>(memory, [](void* address) { ::UnmapViewOfFile(address); });
    return shared;
}

}  // namespace

bool is_out_of_space(const std::system_error& error) {
    const auto code = static_cast<DWORD>(error.code().value());
    return error.code().category() == std::system_category() &&
           (code == ERROR_DISK_FULL || code == ERROR_HANDLE_DISK_FULL || code == kDiskQuotaExceeded);
}

// Who may read it is inherited from the directory, which make_private_directory has set up in a session.
void write_atomic(const std::string& path, std::string_view head, std::string_view body, Readers) {
    std::wstring wide;
    UniqueHandle file;
    do {
        wide = temporary_name(widen(path));
        file = open_file(wide, GENERIC_WRITE, CREATE_NEW, FILE_ATTRIBUTE_NORMAL);
    } while (!file && ::GetLastError() == ERROR_FILE_EXISTS);
    if (!file) fail(::GetLastError(), "creating a temporary file for", path);
    DWORD error = write_all(file, head);
    if (error == ERROR_SUCCESS) error = write_all(file, body);
    file.reset();
    if (error == ERROR_SUCCESS) error = replace(wide, widen(path));
    if (error != ERROR_SUCCESS) {
        remove_entry(wide);
        fail(error, "writing", path);
    }
}

std::optional<std::string> read_file(const std::string& path, std::size_t limit) {
    FileIdentity identity;
    const UniqueHandle file = open_regular(path, GENERIC_READ, identity);
    if (!file) return std::nullopt;
    if (identity.size > limit) throw std::system_error(EFBIG, std::generic_category(), "reading '" + path + "'");
    std::string text(static_cast<std::size_t>(identity.size), '\0');
    text.resize(read_all(file, text.data(), text.size(), path));
    return text;
}

bool remove_file(const std::string& path) {
    const DWORD error = remove_entry(widen(path));
    if (error != ERROR_SUCCESS && !is_missing(error)) fail(error, "removing", path);
    return error == ERROR_SUCCESS;
}

void remove_anything(const std::string& path) {
    try {
        remove_file(path);
    } catch (const std::system_error&) {
        remove_tree(path);
        if (file_exists(path)) throw;
    }
}

bool file_exists(const std::string& path) {
    return ::GetFileAttributesW(widen(path).c_str()) != INVALID_FILE_ATTRIBUTES;
}

std::string read_tail(const std::string& path, std::size_t limit, std::uint64_t from) {
    try {
        FileIdentity identity;
        const UniqueHandle file = open_regular(path, GENERIC_READ, identity);
        if (!file) return {};
        if (from > identity.size) from = 0;  // it was shortened
        LARGE_INTEGER start{};
        start.QuadPart = static_cast<LONGLONG>(identity.size - from > limit ? identity.size - limit : from);
        if (!::SetFilePointerEx(file.get(), start, nullptr, FILE_BEGIN)) return {};
        std::string text(static_cast<std::size_t>(identity.size - static_cast<std::uint64_t>(start.QuadPart)), '\0');
        text.resize(read_all(file, text.data(), text.size(), path));
        if (static_cast<std::uint64_t>(start.QuadPart) > from)
            text.erase(0, text.find('\n') + 1);  // a first line cut in the middle helps nobody
        return text;
    } catch (const std::system_error&) {
        return {};
    }
}

// Read, not mapped: Windows refuses to replace a file while a view of it is mapped, so a tensor that the host keeps
// would keep the worker from ever sending another under its name.
std::optional<MappedFile> map_private(const std::string& path) {
    FileIdentity identity;
    const UniqueHandle file = open_regular(path, GENERIC_READ, identity);
    if (!file) return std::nullopt;
    MappedFile result;
    const auto size = static_cast<std::size_t>(identity.size);
    if (size == 0) return result;
    void* memory = ::VirtualAlloc(nullptr, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (memory == nullptr) fail(::GetLastError(), "allocating " + std::to_string(size) + " bytes for", path);
    result.memory = std::shared_ptr<void>(memory, [](void* address) { ::VirtualFree(address, 0, MEM_RELEASE); });
    result.size = read_all(file, memory, size, path);
    return result;
}

std::optional<FileIdentity> identify(const std::string& path) {
    const UniqueHandle file = open_file(widen(path), FILE_READ_ATTRIBUTES, OPEN_EXISTING, kAsItStands);
    BY_HANDLE_FILE_INFORMATION info{};
    if (!file || !is_regular(file, info)) return std::nullopt;
    return identity_of(info);
}

SharedFile create_shared(const std::string& path, std::uint64_t size) {
    const std::wstring wide = widen(path);
    UniqueHandle file = open_file(wide, GENERIC_READ | GENERIC_WRITE, CREATE_NEW, FILE_ATTRIBUTE_NORMAL);
    if (!file) fail(::GetLastError(), "creating", path);
    try {
        FILE_END_OF_FILE_INFO end{};  // takes the space: the file is not a sparse one
        end.EndOfFile.QuadPart = static_cast<LONGLONG>(size);
        if (!::SetFileInformationByHandle(file.get(), FileEndOfFileInfo, &end, sizeof end))
            fail(::GetLastError(), "reserving " + std::to_string(size) + " bytes for", path);
        BY_HANDLE_FILE_INFORMATION info{};
        if (!::GetFileInformationByHandle(file.get(), &info)) fail(::GetLastError(), "examining", path);
        return share(file, identity_of(info), path);
    } catch (...) {
        file.reset();
        remove_entry(wide);
        throw;
    }
}

SharedFile map_shared(const std::string& path) {
    FileIdentity identity;
    const UniqueHandle file = open_regular(path, GENERIC_READ | GENERIC_WRITE, identity);
    return file ? share(file, identity, path) : SharedFile{};
}

void discard(const SharedFile&) noexcept {}

void link_file(const std::string& path, const std::string& name) {
    if (!::CreateHardLinkW(widen(name).c_str(), widen(path).c_str(), nullptr)) fail(::GetLastError(), "linking", path);
}

bool exchange_files(const std::string&, const std::string&) {
    return false;
}

void rename_file(const std::string& from, const std::string& to) {
    const DWORD error = replace(widen(from), widen(to));
    if (error != ERROR_SUCCESS) fail(error, "renaming", from);
}

void remove_tree(const std::string& path) noexcept try {
    const std::wstring wide = widen(path);
    const DWORD attributes = ::GetFileAttributesW(wide.c_str());
    if (attributes == INVALID_FILE_ATTRIBUTES || (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0 ||
        (attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0)
        return;
    remove_directory(wide);
} catch (const std::exception&) {
    // A name that is not text of this system, or no memory: what cannot be removed stays.
}

}  // namespace tr::platform
