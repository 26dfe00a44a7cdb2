#include "worker/start_advice.h"

#include <filesystem>
#include <initializer_list>
#include <system_error>

#include "platform/file.h"
#include "platform/host.h"

namespace tr::worker {
namespace {

namespace fs = std::filesystem;

bool says(const std::string& log, std::initializer_list<const char*> words) {
    for (const char* word : words)
        if (log.find(word) != std::string::npos) return true;
    return false;
}

/// Of the worker's environment; empty when it is not set.
std::string variable(const Launched& launched, const std::string& name) {
    for (const auto& entry : launched.environment)
        if (entry.compare(0, name.size() + 1, name + "=") == 0) return entry.substr(name.size() + 1);
    return {};
}

std::string inherited(const std::string& name, const std::string& value, const std::string& what) {
    return "; " + name + " is '" + value + "' in the worker's environment, " + what +
           ": SessionOptions::removed_environment = {\"" + name + "\"} starts it without";
}

std::string of_variables(const Launched& launched, const std::string& log) {
    if (const auto home = variable(launched, "PYTHONHOME");
        !home.empty() && says(log, {"encodings", "platform independent libraries", "init_fs_encoding", "SRE module"}))
        return inherited("PYTHONHOME", home, "which is the home of another interpreter");
    if (const auto libraries = variable(launched, "LD_LIBRARY_PATH");
        !libraries.empty() &&
        says(log, {"symbol lookup error", "error while loading shared libraries", "undefined symbol", "version `"}))
        return inherited("LD_LIBRARY_PATH", libraries, "where libraries of another program may be found first");
    // The first entry is the library's own.
    const auto paths = variable(launched, "PYTHONPATH");
    const std::string separator(1, platform::path_list_separator());
    for (auto at = paths.find(separator); at != std::string::npos;) {
        const auto start = at + separator.size();
        at = paths.find(separator, start);
        const std::string entry = paths.substr(start, at == std::string::npos ? at : at - start);
        if (!entry.empty() && says(log, {("File \"" + entry + "/").c_str()}) &&
            says(log, {"ImportError", "ModuleNotFoundError", "AttributeError", "SyntaxError"}))
            return inherited("PYTHONPATH", paths.substr(paths.find(separator) + separator.size()),
                             "from which '" + entry + "' the modules above come");
    }
    return {};
}

/// A file beside the script that has the name of a module which Python, the package or tensor code imports.
std::string of_names(const Launched& launched, const std::string& log) {
    if (launched.script.empty()) return {};
    for (const std::string module :
         {"torch",      "numpy",     "json",   "typing",   "types",    "random", "socket",   "select",    "signal",
          "struct",     "logging",   "string", "math",     "time",     "copy",   "inspect",  "functools", "collections",
          "contextlib", "threading", "queue",  "tokenize", "operator", "enum",   "platform", "secrets",   "statistics",
          "code",       "mmap",      "errno",  "stat",     "re",       "io",     "os"}) {
        const fs::path hiding = fs::path(launched.script).parent_path() / (module + ".py");
        std::error_code error;
        if (says(log, {("module '" + module + "' ").c_str(), ("from '" + module + "'").c_str(),
                       ("module '" + module + "'").c_str()}) &&
            fs::exists(hiding, error))
            return "; '" + hiding.string() + "' hides the module " + module +
                   " from all that import it: rename the file";
    }
    return {};
}

}  // namespace

std::string start_advice(const Launched& launched, const std::string& log) {
    if (says(log, {"No module named debugpy"}))
        return "; SessionOptions::debug_port needs the package debugpy: install it with '" + launched.interpreter.path +
               " -m pip install debugpy'";
    if (says(log, {"attempted relative import with no known parent package"}))
        return "; a script belongs to no package, so it can import nothing relative to itself: name it as a module, "
               "SessionOptions::module = \"package.server\", with the folder of the package in "
               "SessionOptions::environment = {{\"PYTHONPATH\", ...}}, or import by the full name";
    if (const std::string found = of_variables(launched, log); !found.empty()) return found;
    if (const std::string found = of_names(launched, log); !found.empty()) return found;
    return older_module_advice(launched);
}

std::string older_module_advice(const Launched& launched) {
    if (launched.script.empty()) return {};
    const fs::path hiding = fs::path(launched.script).parent_path() / "tech_renaissance.py";
    std::error_code error;
    if (!fs::exists(hiding, error)) return {};
    return "; '" + hiding.string() +
           "' hides the package tech_renaissance; that of the older bridge looks for sessions in a workspace of its "
           "own: remove it, or name that workspace in SessionOptions::workspace or $TR_WORKSPACE";
}

}  // namespace tr::worker
