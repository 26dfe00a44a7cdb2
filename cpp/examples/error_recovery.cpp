// What goes wrong in a worker, how the caller learns of it, and how it goes on. The server is fragile_server.py.
#include <iostream>

#include "tech_renaissance.h"

int main() {
    try {
        tr::PythonSession session("fragile_server.py", "error_recovery", /*quiet_mode=*/true);
        session.start();

        std::cout << "1. The Python code raises; the worker goes on.\n";
        try {
            session.fetch_response("divide 1 0");
        } catch (const tr::RemoteError& error) {
            std::cout << "   " << error.python_type() << ", code " << tr::to_string(error.code()) << '\n';
            std::cout << error.traceback();
        }
        std::cout << "   divide 1 4 = " << session.fetch_response("divide 1 4") << '\n';

        std::cout << "2. The request takes too long; the worker is replaced.\n";
        try {
            session.fetch_response("stall", 200);
        } catch (const tr::TimeoutError&) {
            std::cout << "   no answer within 200 ms\n";
            session.restart();
        }
        std::cout << "   divide 1 8 = " << session.fetch_response("divide 1 8") << '\n';

        std::cout << "3. The worker dies; a new one takes its place.\n";
        try {
            session.fetch_response("crash");
        } catch (const tr::RestartError& error) {
            std::cout << "   " << error.what() << '\n';
            std::cout << "   it may " << (error.may_retry() ? "" : "not ") << "be sent again\n";
            session.restart();
        }
        std::cout << "   divide 1 2 = " << session.fetch_response("divide 1 2") << '\n';
    } catch (const tr::TRException& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
