// Talks to the server that comes with the library; the worker's Python needs no packages for it.
#include <iostream>

#include "tech_renaissance.h"

int main() {
    try {
        tr::PythonSession session("default", "hello");
        session.start();
        std::cout << session.fetch_response("hello") << '\n';
    } catch (const tr::TRException& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
