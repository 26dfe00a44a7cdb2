#include <exception>
#include <iostream>
#include <string>

#include "tech_renaissance/data/tsr.h"

// Driven by tests/interop: what the C++ side makes of `.tsr` files that Python wrote.
//
//   tr_tsr_tool rewrite IN OUT [IN OUT]...   reads each IN, writes it to OUT; prints dtype and shape, one line each
//   tr_tsr_tool print IN                     prints the tensor
//
// A file that cannot be read or written ends it with status 2 and the message on standard error.

int main(int argc, char** argv) {
    const std::string mode = argc > 1 ? argv[1] : "";
    try {
        if (mode == "rewrite" && argc >= 4 && argc % 2 == 0) {
            for (int i = 2; i < argc; i += 2) {
                const tr::Tensor tensor = tr::read_tsr(argv[i]);
                tr::write_tsr(tensor, argv[i + 1]);
                std::cout << tr::to_string(tensor.dtype()) << ' ' << tensor.shape().to_string() << '\n';
            }
            return 0;
        }
        if (mode == "print" && argc == 3) {
            tr::read_tsr(argv[2]).print();
            return 0;
        }
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 2;
    }
    std::cerr << "usage: tr_tsr_tool rewrite IN OUT [IN OUT]... | print IN\n";
    return 1;
}
