#include "channel/place_error.h"

#include "platform/file.h"
#include "platform/host.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::channel {
namespace {

constexpr const char* kAnother = "name another workspace in SessionOptions::workspace or $TR_WORKSPACE";

bool is(const std::system_error& error, std::errc kind) {
    return error.code() == kind;
}

std::string limit_text(platform::Limit limit) {
    const std::uint64_t value = platform::limit_of(limit);
    return value == 0 ? "" : " of " + std::to_string(value);
}

std::string room_advice(const std::string& directory, std::uint64_t bytes) {
    const std::string remedy = std::string("; make room, or ") + kAnother;
    if (platform::free_files(directory) == 0)
        return ": the file system of '" + directory + "' has no room for another file (inode)" + remedy;
    const std::uint64_t free = platform::free_bytes(directory);
    return (bytes > 0 ? ": " + std::to_string(bytes) + " bytes are needed and " : std::string(": ")) +
           std::to_string(free) + " are free in '" + directory + "'" +
           (bytes > 0 && free >= bytes ? ", but this user's quota is used up" : "") + remedy;
}

}  // namespace

std::string place_advice(const std::system_error& error, const std::string& path, std::uint64_t bytes) {
    const std::string directory = path.substr(0, path.rfind('/'));
    if (platform::is_out_of_space(error)) return room_advice(directory, bytes);
    if (is(error, std::errc::too_many_files_open))
        return ": this program has reached its limit" + limit_text(platform::Limit::descriptors) +
               " open descriptors; close some, or raise the limit (ulimit -n)";
    if (is(error, std::errc::too_many_files_open_in_system))
        return ": the limit of open files of the whole machine is reached; close some, or raise fs.file-max";
    if (is(error, std::errc::file_too_large))
        return (bytes > 0 ? ": " + std::to_string(bytes) + " bytes are needed, over the limit" : ": over the limit") +
               limit_text(platform::Limit::file_size) + " bytes a file; raise it (ulimit -f), or send smaller tensors";
    if (is(error, std::errc::not_enough_memory))
        return (bytes > 0 ? ": " + std::to_string(bytes) + " bytes of memory are needed" : std::string()) +
               "; drop tensors, or raise the limit of memory (ulimit -v) or of mappings (vm.max_map_count)";
    if (is(error, std::errc::resource_unavailable_try_again))
        return ": the limit of processes and threads is reached; end some, or raise it (ulimit -u, pids.max)";
    if (is(error, std::errc::argument_list_too_long))
        return ": arguments and environment are larger than the system takes; make the environment smaller";
    if (is(error, std::errc::filename_too_long)) return std::string("; choose a shorter path: ") + kAnother;
    if (is(error, std::errc::read_only_file_system) || is(error, std::errc::permission_denied) ||
        is(error, std::errc::operation_not_permitted))
        return std::string("; make it writable for this user, or ") + kAnother;
    return {};
}

void throw_place_error(const std::system_error& error, const std::string& path, std::uint64_t bytes,
                       const std::string& attempt) {
    const std::string text =
        (attempt.empty() ? attempt : attempt + ": ") + error.what() + place_advice(error, path, bytes);
    if (is(error, std::errc::no_such_file_or_directory) || is(error, std::errc::not_a_directory))
        throw RestartError("the session directory has been removed (" + text +
                               "), with all that was under way in it, and what was to be sent was not: it may be sent "
                               "again; start() makes a new one",
                           ErrorCode::server_error, true);
    if (is(error, std::errc::file_too_large)) throw InputError(text, ErrorCode::request_too_large);
    if (is(error, std::errc::filename_too_long)) throw InputError(text);
    if (is(error, std::errc::read_only_file_system) || is(error, std::errc::permission_denied) ||
        is(error, std::errc::operation_not_permitted))
        throw InputError(text, ErrorCode::permission_denied);
    if (place_advice(error, path).empty()) throw TRException(text);
    throw RetryError(text);
}

std::string fullness(const std::string& directory) {
    constexpr std::uint64_t kHardlyAny = 64U << 10;
    const bool full = platform::free_bytes(directory) < kHardlyAny || platform::free_files(directory) == 0;
    return full ? "; there is hardly any room left" + room_advice(directory, 0) : std::string();
}

}  // namespace tr::channel
