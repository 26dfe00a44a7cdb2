// A session as programs for the older bridge use it: they ask for the macro before they include anything.
#ifndef TR_BUILD_PYTHON_SESSION
#error "the library was built with PythonSession, and the program has not been told so"
#endif
#include "tech_renaissance.h"

using namespace tr;

namespace {

// Helpers of such programs take the session by const reference.
Tensor product(const PythonSession& session, const Tensor& a, const Tensor& b) {
    session.send_tensor(a, "a");
    session.send_tensor(b, "b");
    return session.fetch_tensor(R"({"cmd": "matmul", "params": "a,b"})", 10000);
}

std::string greeting(const PythonSession& session) {
    session.send_request(R"({"cmd": "hello", "params": "world!"})");
    if (!session.wait_until_ok(15000)) return "late";
    if (!session.new_response()) return "none";
    return session.read_response();
}

}  // namespace

int main(int, char** argv) {
    SessionOptions options;
    options.session_id = "older";
    options.workspace = argv[1];
    PythonSession session(options);
    const std::string directory = session.session_dir();
    if (directory.find("tr_session_older") == std::string::npos || std::filesystem::exists(directory)) return 1;
    session.set_quiet_mode(true);
    session.start();
    if (!std::filesystem::exists(directory) || session.session_dir() != directory) return 2;
    session.start(300);  // it runs
    if (!session.wait_until_ready(60000)) return 3;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (!session.is_alive() || !session.is_ready() || session.is_busy()) return 4;
    std::cout << greeting(session) << std::endl;

    const Tensor a = Tensor::full(Shape(4, 3), 1.5f, DType::FP32, tr::CPU);
    const Tensor b = Tensor::full(Shape(3, 5), 2.0f, DType::FP32, tr::CPU);
    const Tensor result = product(session, a, b);
    const Shape shape = result.shape();
    if (shape.n() != 1 || shape.c() != 1 || shape.h() != 4 || shape.w() != 5) return 5;
    if (result != Tensor::full(Shape(4, 5), 9.0f)) return 6;
    std::future<Tensor> later = std::async(std::launch::async, [&session, &a] {
        const PythonSession& same = session;
        return same.calculate("relu", a, 10000);
    });
    if (later.get() != a) return 7;
    const std::vector<Tensor> several = {session.calculate("add", a, a), session.calculate("square", a)};
    std::cout << "sum: " << several[0] << std::endl;
    session.please_exit(10000);
    if (session.is_alive()) return 8;
    return 0;
}
