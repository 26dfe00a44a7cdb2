#include "worker/launch_plan.h"

#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "platform/file.h"
#include "platform/host.h"
#include "platform/process.h"
#include "tech_renaissance/config.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

namespace fs = std::filesystem;

bool holds_package(const std::string& directory) {
    return !directory.empty() && fs::exists(fs::path(directory) / "tech_renaissance" / "__init__.py");
}

/// Why the package there is none for this library; empty when it is, or does not say (as in a wheel).
std::string why_of_another_version(const std::string& directory) {
    constexpr std::size_t kMostBytes = 4096;
    const auto file = (fs::path(directory) / "tech_renaissance" / "_version.py").string();
    if (!platform::file_exists(file)) return {};
    const std::string text = platform::read_tail(file, kMostBytes);
    if (text.empty()) return {};  // it cannot be read, of which the start will tell
    if (text.find(std::string("\"") + TR_VERSION + "\"") != std::string::npos) return {};
    return "it is of another version than this library, " TR_VERSION;
}

}  // namespace

Choice choose_interpreter(const SessionOptions& options) {
    struct Candidate {
        std::string name;
        std::string reason;
    };
    Candidate chosen;
    const auto in_environment = [](const char* variable) {
        const std::string prefix = platform::environment_variable(variable);
        return prefix.empty() ? prefix : platform::interpreter_of_environment(prefix);
    };
    if (!options.python.empty()) {
        chosen = {options.python, "SessionOptions::python"};
    } else if (const auto named = platform::environment_variable("TR_PYTHON"); !named.empty()) {
        chosen = {named, "$TR_PYTHON"};
    } else if (const auto venv = in_environment("VIRTUAL_ENV"); !venv.empty()) {
        chosen = {venv, "$VIRTUAL_ENV"};
    } else if (const auto conda = in_environment("CONDA_PREFIX"); !conda.empty()) {
        chosen = {conda, "$CONDA_PREFIX"};
    } else {
        chosen = {"python3", "python3 on $PATH"};
    }
    const std::string path = platform::find_executable(chosen.name);
    if (path.empty())
        throw RestartError(
            "cannot start a worker: the interpreter '" + chosen.name + "', chosen by " + chosen.reason +
            (fs::path(chosen.name).has_parent_path() ? ", is not an executable file" : ", is no program on $PATH") +
            "; install Python 3.9 or later, or name an interpreter in "
            "SessionOptions::python or $TR_PYTHON");
    return {path, chosen.reason};
}

std::string why_unfit(const Choice& interpreter, const std::string& scratch) {
    constexpr std::int64_t kAnswerMs = 2'000;
    constexpr int kOldestMinor = 9;
    platform::SpawnOptions spawn;
    spawn.argv = {interpreter.path, "-S", "-E", "-c",
                  "import sys; sys.stdout.write('version %d.%d.%d' % sys.version_info[:3])"};
    spawn.environment = platform::environment();
    spawn.output_path = scratch;
    std::string answer;
    bool succeeded = false;
    try {
        const auto process = platform::Process::spawn(spawn, [] {});
        process->wait(platform::Deadline::after(kAnswerMs));
        const auto status = process->status();
        succeeded = status && status->known && status->signal == 0 && status->code == 0;
        answer = platform::read_tail(scratch, 100);
        platform::remove_file(scratch);
    } catch (const std::system_error&) {
        return {};
    }
    int major = 0;
    int minor = 0;
    int patch = 0;
    const bool is_python = std::sscanf(answer.c_str(), "version %d.%d.%d", &major, &minor, &patch) == 3;
    if (!is_python && succeeded)
        return "'" + interpreter.path + "', chosen by " + interpreter.reason +
               ", is no Python interpreter and never ran the script: asked for its version, it ended without an error "
               "and told none; name Python 3.9 or later in SessionOptions::python or $TR_PYTHON";
    if (!is_python || major > 3 || (major == 3 && minor >= kOldestMinor)) return {};
    return "Python " + answer.substr(answer.find(' ') + 1) + " at '" + interpreter.path + "', chosen by " +
           interpreter.reason +
           ", is too old: 3.9 or later is needed; name another in SessionOptions::python or $TR_PYTHON";
}

std::string find_package_directory() {
    const std::string forced = platform::environment_variable("TR_PACKAGE_DIR");
    if (!forced.empty()) {
        if (holds_package(forced)) return forced;
        throw RestartError("cannot start a worker: $TR_PACKAGE_DIR is '" + forced +
                           "', which holds no tech_renaissance/__init__.py");
    }
    std::vector<std::string> built;
#ifdef TR_SOURCE_PYTHON_DIR
    built.emplace_back(TR_SOURCE_PYTHON_DIR);
#endif
#ifdef TR_INSTALLED_PYTHON_DIR
    built.emplace_back(TR_INSTALLED_PYTHON_DIR);
#endif
    return find_package_directory(platform::library_file(), built);
}

std::string find_package_directory(const std::string& library, std::vector<std::string> built) {
    const fs::path folder = fs::path(library).parent_path().parent_path() / "share" / "tech_renaissance" / "python";
    const std::string beside = library.empty() ? "" : folder.string();
#ifdef TR_STATIC
    // The program may lie anywhere, also where everybody may put something beside its folder.
    built.push_back(beside);
#else
    built.insert(built.begin(), beside);
#endif
    constexpr int kDepth = 6;  // the file, tech_renaissance, python, tech_renaissance, share, and what that is in
    std::string places;
    for (const auto& directory : built) {
        if (directory.empty()) continue;  // it cannot be told
        const bool is_there = holds_package(directory);
        std::string refused = is_there ? why_of_another_version(directory) : "";
        if (is_there && refused.empty() && directory == beside)
            refused = platform::why_not_trusted(directory + "/tech_renaissance/__init__.py", kDepth, library);
        if (is_there && refused.empty()) return directory;
        places += (places.empty() ? "'" : ", '") + directory + "'" +
                  (is_there ? " (which is not used, as " + refused + ")" : "");
    }
    throw RestartError("cannot start a worker: the Python package tech_renaissance is not in " + places +
                       "; reinstall the library, have tech_renaissance_install_worker() of CMake install the package "
                       "with the program, or name the directory that holds it in $TR_PACKAGE_DIR");
}

void check_working_directory(const SessionOptions& options) {
    std::error_code error;
    const std::string& path = options.working_directory;
    if (path.empty() || fs::is_directory(path, error)) return;
    throw InputError("cannot start a worker: its working directory '" + path + "' " +
                     (fs::exists(path, error) ? "is no directory" : "does not exist") +
                     "; expected a directory in SessionOptions::working_directory, or none for that of this program");
}

std::vector<std::string> worker_script(const SessionOptions& options, const std::string& package_directory) {
    if (!options.module.empty()) return {"-m", options.module};
    if (options.script == "default")
        return {(fs::path(package_directory) / "tech_renaissance" / "scripts" / "default.py").string()};
    if (options.script.empty())
        throw InputError(
            "cannot start a worker: neither a script nor a module is named; expected a Python file, or \"default\" for "
            "the server that comes with the library");
    std::error_code error;
    if (!fs::is_regular_file(options.script, error))
        throw InputError("cannot start a worker: the script '" + fs::absolute(options.script).string() + "' " +
                         (fs::exists(options.script, error) ? "is not a file" : "does not exist") +
                         "; expected a Python file, or \"default\" for the server that comes with the library");
    return {fs::absolute(options.script).string()};
}

std::vector<std::string> worker_command(const SessionOptions& options, const std::string& interpreter,
                                        const std::string& package_directory) {
    std::vector<std::string> command = options.launcher;
    if (!command.empty()) {
        const std::string program = platform::find_executable(command.front());
        if (program.empty())
            throw RestartError("cannot start a worker: the launcher '" + command.front() +
                               "' is no executable file, nor a program on $PATH; install it, or correct "
                               "SessionOptions::launcher");
        command.front() = program;
    }
    command.push_back(interpreter);
    command.insert(command.end(), options.python_arguments.begin(), options.python_arguments.end());
    constexpr int kMostPort = 65'535;
    if (options.debug_port < 0 || options.debug_port > kMostPort)
        throw InputError("SessionOptions::debug_port is " + std::to_string(options.debug_port) +
                         ": expected 0, for none, to 65535");
    if (options.debug_port != 0)
        for (const auto& argument : {std::string("-m"), std::string("debugpy"), std::string("--listen"),
                                     "127.0.0.1:" + std::to_string(options.debug_port)})
            command.push_back(argument);
    for (auto& argument : worker_script(options, package_directory)) command.push_back(std::move(argument));
    return command;
}

std::string why_no_template(const SessionOptions& options) {
    for (const auto& [given, name] : {std::pair(!options.launcher.empty(), "launcher"),
                                      std::pair(!options.python_arguments.empty(), "python_arguments"),
                                      std::pair(options.debug_port != 0, "debug_port")})
        if (given) return std::string("SessionOptions::") + name + " takes a process of its own";
    return {};
}

void anchor_paths(SessionOptions& options) {
    const auto anchor = [](std::string& path) {
        if (!path.empty()) path = fs::absolute(path).string();
    };
    if (options.module.empty() && options.script != "default") anchor(options.script);
    if (fs::path(options.python).has_parent_path()) anchor(options.python);
    if (!options.launcher.empty() && fs::path(options.launcher.front()).has_parent_path())
        anchor(options.launcher.front());
    anchor(options.working_directory);
    anchor(options.workspace);
}

bool is_in_worker() {
    return !platform::environment_variable("TR_SESSION_DIR").empty();
}

std::vector<std::string> worker_environment(const SessionOptions& options, const std::string& package_directory,
                                            std::map<std::string, std::string> variables) {
    // As the worker would inherit them; what the options name comes over it, and the session's own over that.
    std::map<std::string, std::string> merged;
    for (const auto& entry : platform::environment()) {
        const auto equals = entry.find('=', 1);
        if (equals != std::string::npos) merged[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
    if (is_in_worker()) merged.erase("TR_LIBRARY");  // that is its host's
    for (const auto& name : options.removed_environment) merged.erase(name);
    for (const auto& [name, value] : options.environment) {
        if (name.empty() || name.find_first_of(std::string("=\0", 2)) != std::string::npos ||
            value.find('\0') != std::string::npos)
            throw InputError("SessionOptions::environment: '" + name +
                             "' cannot be set: a name is not empty and holds no '=', and neither it nor its value a "
                             "zero byte");
        merged[name] = value;
    }
    const std::string path = merged["PYTHONPATH"];
    merged["PYTHONPATH"] = package_directory + (path.empty() ? "" : platform::path_list_separator() + path);
    // By which the worker does in a fraction of the time what it could do in Python; see its platform/library.py.
    if (merged.count("TR_LIBRARY") == 0) merged["TR_LIBRARY"] = platform::loadable_library();
    // What a worker printed before it died has to be in its log.
    merged["PYTHONUNBUFFERED"] = "1";
    for (auto& [name, value] : variables) merged[name] = std::move(value);
    std::vector<std::string> entries;
    for (const auto& [name, value] : merged) entries.push_back(name + "=" + value);
    return entries;
}

}  // namespace tr
