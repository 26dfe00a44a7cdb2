// Windows. Run under wine alone.
#include "platform/host.h"

#include "platform/win32.h"

#include <sddl.h>  // needs windows.h before it

#include <array>
#include <vector>

namespace tr::platform {
namespace {

/// Calls a function that fills a buffer and says how much it needs, until it fits; empty when it fails.
template <class Fill>
std::wstring filled(const Fill& fill) {
    std::wstring text(MAX_PATH, L'\0');
    for (;;) {
        const DWORD length = fill(text.data(), static_cast<DWORD>(text.size()));
        if (length < text.size()) {
            text.resize(length);
            return text;
        }
        text.resize(2 * static_cast<std::size_t>(length));
    }
}

std::wstring variable(const wchar_t* name) {
    return filled([name](wchar_t* text, DWORD size) { return ::GetEnvironmentVariableW(name, text, size); });
}

std::wstring full_path(const std::wstring& path) {
    return filled([&path](wchar_t* text, DWORD size) { return ::GetFullPathNameW(path.c_str(), size, text, nullptr); });
}

bool is_file(const std::wstring& path) {
    const DWORD attributes = ::GetFileAttributesW(path.c_str());
    return attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) == 0;
}

/// The entries of a list that ';' separates, without quotation marks; empty ones are left out.
std::vector<std::wstring> entries_of(const std::wstring& list) {
    std::vector<std::wstring> entries(1);
    for (const wchar_t unit : list) {
        if (unit == L';')
            entries.emplace_back();
        else if (unit != L'"')
            entries.back() += unit;
    }
    std::vector<std::wstring> result;
    for (auto& entry : entries)
        if (!entry.empty()) result.push_back(std::move(entry));
    return result;
}

bool equal_ignoring_case(const std::wstring& one, const wchar_t* other) {
    return ::CompareStringOrdinal(one.c_str(), -1, other, -1, TRUE) == CSTR_EQUAL;
}

/// What may follow a name that is given without it. Batch files are left out: Windows runs them through a shell.
std::vector<std::wstring> program_suffixes(const std::wstring& name) {
    std::vector<std::wstring> suffixes;
    if (const auto dot = name.find_last_of(L"./\\"); dot != std::wstring::npos && name[dot] == L'.')
        suffixes.emplace_back();
    const std::wstring listed = variable(L"PATHEXT");
    for (auto& suffix : entries_of(listed.empty() ? L".COM;.EXE" : listed))
        if (!equal_ignoring_case(suffix, L".BAT") && !equal_ignoring_case(suffix, L".CMD"))
            suffixes.push_back(std::move(suffix));
    return suffixes;
}

UniqueHandle open_process(std::int64_t pid) {
    if (pid <= 0) return {};
    return UniqueHandle(::OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, static_cast<DWORD>(pid)));
}

/// An ended process stays open for as long as anybody holds a handle of it.
bool runs(const UniqueHandle& process) {
    return ::WaitForSingleObject(process.get(), 0) == WAIT_TIMEOUT;
}

}  // namespace

std::int64_t process_id() {
    return ::GetCurrentProcessId();
}

std::int64_t thread_id() {
    return ::GetCurrentThreadId();
}

bool process_is_stopped(std::int64_t) {
    return false;
}

std::string process_start_time(std::int64_t pid) {
    const UniqueHandle process = open_process(pid);
    FILETIME start{};
    FILETIME unused{};
    if (!process || !runs(process) || !::GetProcessTimes(process.get(), &start, &unused, &unused, &unused)) return {};
    return std::to_string(static_cast<std::uint64_t>(start.dwHighDateTime) << 32 | start.dwLowDateTime);
}

bool process_lives(std::int64_t pid) {
    const UniqueHandle process = open_process(pid);
    return process ? runs(process) : pid > 0 && ::GetLastError() == ERROR_ACCESS_DENIED;
}

/// The security identifier, "S-1-5-21-..."; empty when it cannot be told.
std::string user_id() {
    HANDLE raw = nullptr;
    if (!::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &raw)) return {};
    const UniqueHandle token(raw);
    alignas(TOKEN_USER) std::array<char, sizeof(TOKEN_USER) + SECURITY_MAX_SID_SIZE> buffer{};
    DWORD length = 0;
    wchar_t* text = nullptr;
    if (!::GetTokenInformation(token.get(), TokenUser, buffer.data(), static_cast<DWORD>(buffer.size()), &length) ||
        !::ConvertSidToStringSidW(reinterpret_cast<const TOKEN_USER*>(buffer.data())->User.Sid, &text))
        return {};
    std::string result = narrow(text);
    ::LocalFree(text);
    return result;
}

std::string temporary_directory() {
    std::string path = narrow(filled([](wchar_t* text, DWORD size) { return ::GetTempPathW(size, text); }));
    while (path.size() > 3 && (path.back() == '\\' || path.back() == '/')) path.pop_back();
    return path;
}

std::string shared_memory_directory() {
    return {};
}

std::string file_system_name(const std::string& path) {
    std::array<wchar_t, MAX_PATH + 1> volume{};
    std::array<wchar_t, MAX_PATH + 1> name{};
    if (!::GetVolumePathNameW(widen(path).c_str(), volume.data(), MAX_PATH) ||
        !::GetVolumeInformationW(volume.data(), nullptr, 0, nullptr, nullptr, nullptr, name.data(), MAX_PATH))
        return "unknown";
    return narrow(name.data());
}

std::uint64_t free_bytes(const std::string& path) {
    ULARGE_INTEGER available{};
    return ::GetDiskFreeSpaceExW(widen(path).c_str(), &available, nullptr, nullptr) ? available.QuadPart : 0;
}

std::uint64_t free_files(const std::string&) {
    return UINT64_MAX;
}

std::uint64_t limit_of(Limit) {
    return 0;
}

std::string environment_variable(const char* name) {
    return narrow(variable(widen(name).c_str()));
}

std::vector<std::string> environment() {
    std::vector<std::string> entries;
    wchar_t* const block = ::GetEnvironmentStringsW();
    if (block == nullptr) return entries;
    for (const wchar_t* entry = block; *entry != L'\0';) {
        const std::wstring_view wide(entry);
        std::string text = narrow(wide);
        // Names count without regard to case here, and callers compare them as they stand.
        const auto equals = text.find('=', 1);
        for (std::size_t i = 0; i < text.size() && i < equals; ++i)
            if (text[i] >= 'a' && text[i] <= 'z') text[i] = static_cast<char>(text[i] - 'a' + 'A');
        entries.push_back(std::move(text));
        entry += wide.size() + 1;
    }
    ::FreeEnvironmentStringsW(block);
    return entries;
}

std::string find_executable(const std::string& name) {
    const std::wstring wide = widen(name);
    if (wide.empty()) return {};
    const auto suffixes = program_suffixes(wide);
    // The current directory is not searched, unlike the shell does: whoever can write to it must not choose the
    // program.
    const bool is_path = wide.find_first_of(L"/\\:") != std::wstring::npos;
    const std::vector<std::wstring> directories =
        is_path ? std::vector<std::wstring>{L""} : entries_of(variable(L"PATH"));
    for (const auto& directory : directories)
        for (const auto& suffix : suffixes) {
            const std::wstring candidate = (is_path ? wide : directory + L"\\" + wide) + suffix;
            if (is_file(candidate)) return narrow(full_path(candidate));
        }
    return {};
}

std::string interpreter_of_environment(const std::string& prefix) {
    std::string venv = prefix + "\\Scripts\\python.exe";
    // Conda's environments have it at their top.
    return is_file(widen(venv)) ? venv : prefix + "\\python.exe";
}

std::string library_file() {
    HMODULE module = nullptr;
    constexpr DWORD kFlags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    if (!::GetModuleHandleExW(kFlags, reinterpret_cast<const wchar_t*>(&library_file), &module)) return {};
    return narrow(filled([module](wchar_t* text, DWORD size) { return ::GetModuleFileNameW(module, text, size); }));
}

std::string loadable_library() {
    return {};  // workers there do without
}

char path_list_separator() {
    return ';';
}

}  // namespace tr::platform
