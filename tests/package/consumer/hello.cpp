#include <iostream>

#include "tech_renaissance.h"

// Has a worker say hello, with the default server and the interpreter that the environment names.
int main() {
    tr::PythonSession session("default", "", true);
    session.start();
    std::cout << session.fetch_response("hello", 30'000) << "\n";
}
