// A program with two plug-ins, which it unloads in the end.
#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

namespace {

struct PlugIn {
    explicit PlugIn(const char* path) : handle(::dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
        if (handle == nullptr) {
            std::fprintf(stderr, "%s\n", ::dlerror());
            std::exit(1);
        }
    }
    template <class... Args>
    std::string call(const char* name, Args... args) const {
        using Function = const char* (*)(Args...);
        return reinterpret_cast<Function>(::dlsym(handle, name))(args...);
    }
    void* handle;
};

void expect(bool good, const std::string& what) {
    if (good) return;
    std::fprintf(stderr, "%s\n", what.c_str());
    std::exit(1);
}

bool is_loaded(const std::string& path) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);)
        if (line.find(path) != std::string::npos) return true;
    return false;
}

}  // namespace

int main(int, char** argv) {
    const std::string workspace = argv[3];
    const PlugIn one(argv[1]);
    const PlugIn other(argv[2]);
    // The same id: the second may not have it, and disturbs nothing.
    std::string problem = one.call("start_session", workspace.c_str(), "same");
    expect(problem.empty(), "start: " + problem);
    problem = other.call("start_session", workspace.c_str(), "same");
    expect(problem.find("is in use by another copy of this library in this program") != std::string::npos,
           "the same id: " + problem);
    problem = one.call("call_session");
    expect(problem.empty(), "call: " + problem);
    // Ids of their own choice are different ones.
    expect(one.call("stop_session").empty(), "stop");
    for (const PlugIn* each : {&one, &other}) {
        problem = each->call("start_session", workspace.c_str(), "");
        expect(problem.empty(), "start without an id: " + problem);
    }
    for (const PlugIn* each : {&one, &other, &one}) {
        problem = each->call("call_session");
        expect(problem.empty(), "call without an id: " + problem);
    }
    for (const PlugIn* each : {&one, &other}) expect(each->call("stop_session").empty(), "stop");
    for (const PlugIn* each : {&one, &other}) ::dlclose(each->handle);
    // Threads of the guardian and of templates would go on in code that is gone, and so would the handler of SIGBUS.
    expect(is_loaded(argv[1]) && is_loaded(argv[2]), "the library has been unloaded");
    struct sigaction action{};
    ::sigaction(SIGBUS, nullptr, &action);
    ::raise(SIGCHLD);
    std::puts("done");
    return 0;
}
