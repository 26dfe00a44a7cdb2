#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "platform/host.h"

extern char** environ;

#ifdef __linux__
#include <sys/auxv.h>
#endif

namespace tr::platform {
namespace {

/// Whether that is the program, and no library.
bool is_of_program([[maybe_unused]] const Dl_info& found) {
#ifdef __linux__
    Dl_info program{};
    const auto* headers = reinterpret_cast<const void*>(::getauxval(AT_PHDR));
    return ::dladdr(headers, &program) == 0 || program.dli_fbase == found.dli_fbase;
#else
    return false;
#endif
}

}  // namespace

std::int64_t process_id() {
    return ::getpid();
}

std::string user_id() {
    return std::to_string(::geteuid());
}

std::string temporary_directory() {
    const std::string chosen = environment_variable("TMPDIR");
    return chosen.empty() ? "/tmp" : chosen;
}

std::uint64_t free_bytes(const std::string& path) {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) return 0;
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
}

std::uint64_t free_files(const std::string& path) {
    struct statvfs info{};
    const bool limited = ::statvfs(path.c_str(), &info) == 0 && info.f_files > 0;  // 0: made as they are needed
    return limited ? static_cast<std::uint64_t>(info.f_favail) : UINT64_MAX;
}

std::uint64_t limit_of(Limit limit) {
    struct rlimit found{};
    if (::getrlimit(limit == Limit::descriptors ? RLIMIT_NOFILE : RLIMIT_FSIZE, &found) != 0) return 0;
    return found.rlim_cur == RLIM_INFINITY ? 0 : static_cast<std::uint64_t>(found.rlim_cur);
}

std::string environment_variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::vector<std::string> environment() {
    std::vector<std::string> entries;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) entries.emplace_back(*entry);
    return entries;
}

std::string find_executable(const std::string& name) {
    const auto runs = [](const std::string& path) {
        struct stat info{};
        return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
    };
    if (name.find('/') != std::string::npos) return runs(name) ? std::filesystem::absolute(name).string() : "";
    const std::string path = environment_variable("PATH");
    for (std::size_t start = 0; start <= path.size();) {
        const std::size_t end = std::min(path.find(':', start), path.size());
        const std::string directory = end == start ? "." : path.substr(start, end - start);
        const std::string candidate = directory + "/" + name;
        if (runs(candidate)) return std::filesystem::absolute(candidate).string();
        start = end + 1;
    }
    return {};
}

std::string interpreter_of_environment(const std::string& prefix) {
    return prefix + "/bin/python";
}

std::string library_file() {
    Dl_info info{};
    if (::dladdr(reinterpret_cast<const void*>(&library_file), &info) == 0 || info.dli_fname == nullptr) return {};
    // Of code in the program itself that is argv[0], which may be anything.
    std::error_code error;
    const auto path = std::filesystem::canonical(is_of_program(info) ? "/proc/self/exe" : info.dli_fname, error);
    return error ? std::string() : path.string();
}

std::string loadable_library() {
#if defined(TR_STATIC) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__linux__)
    return {};
#else
    Dl_info info{};
    const bool found = ::dladdr(reinterpret_cast<const void*>(&library_file), &info) != 0;
    return found && !is_of_program(info) ? library_file() : std::string();
#endif
}

char path_list_separator() {
    return ':';
}

}  // namespace tr::platform
