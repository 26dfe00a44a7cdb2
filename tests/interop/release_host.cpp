// Driven by test_last_release.py, which compiles it with the library of the last release as well: release_host SCRIPT
// WAKE_UP goes through what a session does, and prints the carrier that it found. A check that fails ends it with
// status 1.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tech_renaissance/session/python_session.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace {

void require(bool holds, const std::string& what) {
    if (!holds) throw std::runtime_error(what);
}

void texts(tr::PythonSession& session) {
    const std::string long_text(100'000, 'x');  // longer than a slot of the mailbox
    for (const std::string& text : {std::string("hello"), std::string("\"quoted\" \\ \xc3\xa9"), long_text}) {
        const std::string found = session.fetch_response("echo " + text);
        require(found == text, "echo of '" + text.substr(0, 100) + "' is '" + found.substr(0, 100) + "'");
    }
    require(session.fetch_response(R"({"command": "echo", "parameters": "object", "timestamp": 1})") == "object",
            "a request that is an object");
}

void tensors(tr::PythonSession& session) {
    for (const std::int64_t size : {3, 300'000}) {
        std::vector<tr::Tensor> held;  // what is held has to stay as it is
        for (int round = 0; round < 4; ++round) {
            const auto value = static_cast<float>(round);
            held.push_back(session.calculate("double", tr::Tensor::full(tr::Shape(size), value)));
        }
        for (std::size_t round = 0; round < held.size(); ++round)
            require(held[round].equal(tr::Tensor::full(tr::Shape(size), 2 * static_cast<float>(round))),
                    "result " + std::to_string(round) + " of " + std::to_string(size) + " elements");
    }
    tr::Tensor shared = session.empty(tr::Shape(1000), tr::DType::INT64, "shared");
    for (std::int64_t i = 0; i < shared.numel(); ++i) shared.data<std::int64_t>()[i] = 4;
    session.send_tensor(shared, "shared");
    require(session.fetch_tensor("double shared").equal(tr::Tensor::full(tr::Shape(1000), 8, tr::DType::INT64)),
            "a tensor in shared memory");
}

/// Names for tensors have come in since.
void names(tr::PythonSession& session) {
    const tr::Tensor start = tr::Tensor::full(tr::Shape(3), 7);
#if __has_include("tech_renaissance/session/call_arguments.h")
    try {
        session.calculate("double", {{"start", start}});
        require(false, "a worker that does not know names is asked for some");
    } catch (const tr::InputError& error) {
        require(std::string(error.what()).find("the worker's package is an older one") != std::string::npos,
                error.what());
    }
    require(session.calculate("double", start).equal(tr::Tensor::full(tr::Shape(3), 14)), "the call after it");
#else
    const auto results = session.calculate_n("named", {start});
    require(results.size() == 2 && results[1].equal(start), "results with names, in order");
#endif
}

void streams(tr::PythonSession& session) {
    const tr::Tensor start = tr::Tensor::full(tr::Shape(1), 7);
    float next = 7;
    for (const tr::Tensor& part : session.stream("count", {start})) require(part.item<float>() == next++, "a part");
    require(next == 12, "5 parts");
    {
        tr::TensorStream stream = session.stream("count", {start});
        require(stream.next().has_value(), "the first part");
        stream.cancel();
    }
    require(session.fetch_response("echo after") == "after", "the call after a cancelled stream");
}

template <class Error, class Call>
void require_throws(const char* what, const Call& call) {
    try {
        call();
    } catch (const Error&) {
        return;
    }
    throw std::runtime_error(std::string("no error of the expected class: ") + what);
}

void failures(tr::PythonSession& session) {
    try {
        session.fetch_response("fail on purpose");
        require(false, "a failure is an error");
    } catch (const tr::RemoteError& error) {
        require(error.python_type() == "ValueError", "the type of a failure is '" + error.python_type() + "'");
    }
    require_throws<tr::TimeoutError>("a limit that passes", [&] { session.fetch_response("late", 100); });
    require(session.fetch_response("echo in time") == "in time", "the call after one that was given up");
    require_throws<tr::RestartError>("a death", [&] { session.fetch_response("crash"); });
    session.restart();
    texts(session);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    try {
        tr::SessionOptions options;
        options.script = argv[1];
        options.wake_up = tr::wake_up_from_string(argv[2]);
        options.default_timeout_ms = 20'000;
        tr::PythonSession session(options);
        session.start();
        session.wait_until_ready();
        std::cout << session.stats().carrier << std::endl;
        texts(session);
        tensors(session);
        names(session);
        streams(session);
        failures(session);
        session.please_exit(10'000, false);
        require(!session.is_alive(), "the worker left when it was asked to");
    } catch (const std::exception& error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
}
