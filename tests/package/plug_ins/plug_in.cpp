// A plug-in with the library linked into it, statically. Every function gives "" when all went well, else why not.
#include "tech_renaissance.h"

namespace {

std::unique_ptr<tr::PythonSession> session;
std::string problem;

template <class Body>
const char* guarded(const Body& body) {
    try {
        problem.clear();
        body();
    } catch (const std::exception& error) {
        problem = error.what();
    }
    return problem.c_str();
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const char* start_session(const char* workspace, const char* id) {
    return guarded([&] {
        tr::SessionOptions options;
        options.workspace = workspace;
        options.session_id = id;
        options.quiet = true;
        session = std::make_unique<tr::PythonSession>(options);
        session->start();
        session->wait_until_ready();
    });
}

extern "C" __attribute__((visibility("default"))) const char* call_session() {
    return guarded([] {
        const std::string answer = session->fetch_response("hello");
        if (answer.find("Hello") == std::string::npos) throw std::runtime_error("it said " + answer);
        if (!std::filesystem::exists(session->session_dir())) throw std::runtime_error("its directory is gone");
    });
}

extern "C" __attribute__((visibility("default"))) const char* stop_session() {
    return guarded([] { session.reset(); });
}
