#pragma once

#include <string>
#include <vector>

#include "tech_renaissance/worker/session_options.h"

namespace tr {

/// A choice and why it was made, for the log and for errors.
struct Choice {
    std::string path;
    std::string reason;
};

/// The worker's interpreter: the option, $TR_PYTHON, $VIRTUAL_ENV, $CONDA_PREFIX, python3 on the path.
/// @throws RestartError when what was chosen cannot be run; it never goes on to the next in silence
Choice choose_interpreter(const SessionOptions& options);

/// Asks the interpreter for its version, which takes it 10 ms.
/// @param scratch path of a file that may be made for the answer
/// @returns nothing when it is new enough, or does not say
std::string why_unfit(const Choice& interpreter, const std::string& scratch);

/// The directory that holds the Python package, and nothing else: what goes on the worker's path.
/// @throws RestartError when it is nowhere to be found
std::string find_package_directory();
/// @param library the file of the library, or of the program that it is linked into: beside its folder, in `share`, the
///        package may be, unless others could have put it there
/// @param built where it was when the library was built or installed
std::string find_package_directory(const std::string& library, std::vector<std::string> built);

/// @throws InputError when the working directory that was asked for is none
void check_working_directory(const SessionOptions& options);

/// Makes relative paths absolute: a restart is to find what the first start found, wherever the program has gone.
void anchor_paths(SessionOptions& options);

/// What an interpreter is to run: the script or module, as its arguments.
/// @throws InputError when there is no such script
std::vector<std::string> worker_script(const SessionOptions& options, const std::string& package_directory);

/// The whole command line but for the arguments to the script, which come last.
/// @throws InputError when there is no such script, RestartError when there is no such launcher
std::vector<std::string> worker_command(const SessionOptions& options, const std::string& interpreter,
                                        const std::string& package_directory);

/// Why a worker with these options cannot be forked from a template; empty when it can.
std::string why_no_template(const SessionOptions& options);

/// This program is a worker itself, so that what its host has told it in its environment is not for its own workers.
bool is_in_worker();
/// The worker's whole environment.
/// @param variables what the session itself has to tell the worker
std::vector<std::string> worker_environment(const SessionOptions& options, const std::string& package_directory,
                                            std::map<std::string, std::string> variables);

}  // namespace tr
