#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tr::platform {

/// Facts about this machine, this user and this process.

std::int64_t process_id();
/// The calling thread, as the system's tools show it.
std::int64_t thread_id();
/// When a process started, in a unit of the system's own; empty when there is no such process or it cannot be told.
/// Together with the pid it names a process for good, as pids are reused.
std::string process_start_time(std::int64_t pid);
/// It runs: one that has ended and has not been waited for by its parent yet (a zombie) does not.
bool process_lives(std::int64_t pid);
/// A signal or a debugger has stopped it (SIGSTOP), as far as the system tells.
bool process_is_stopped(std::int64_t pid);
std::string user_id();
std::string temporary_directory();
/// The tmpfs of this machine that every user may write to; empty when there is none that this user may write to.
std::string shared_memory_directory();
/// "tmpfs", "ext4", ...; "unknown" when it cannot be told.
std::string file_system_name(const std::string& path);
std::uint64_t free_bytes(const std::string& path);
/// How many files may still be made there; a large number where there is no limit.
std::uint64_t free_files(const std::string& path);
enum class Limit { descriptors, file_size };
/// What this process may have of something; 0 when there is no limit, or it cannot be told.
std::uint64_t limit_of(Limit limit);
/// Value of an environment variable; empty when it is not set.
std::string environment_variable(const char* name);
/// The whole environment of this process, "NAME=value".
std::vector<std::string> environment();
/// An executable file as the shell would find it on $PATH; empty when there is none. A name with a separator is a path.
std::string find_executable(const std::string& name);
/// Where a virtual environment keeps its interpreter.
std::string interpreter_of_environment(const std::string& prefix);
/// The shared library (or program) that holds this code; empty when it cannot be told.
std::string library_file();
/// The same, where another program can load it: a shared library, with nothing in it that only its own program has.
std::string loadable_library();
/// What separates entries of $PATH and $PYTHONPATH.
char path_list_separator();

}  // namespace tr::platform
