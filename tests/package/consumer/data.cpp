#include <iostream>

#include "tech_renaissance.h"

// Writes a tensor to the file that it is given, reads it back and tells what this build of the library holds.
int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const tr::Tensor tensor = tr::Tensor::full(tr::Shape(2, 3), 1.5f);
    tr::write_tsr(tensor, argv[1]);
    std::cout << (tr::read_tsr(argv[1]).equal(tensor) ? "equal" : "different") << " " << TR_VERSION << " "
#ifdef TR_BUILD_PYTHON_SESSION
              << "with PythonSession\n";
#else
              << "without PythonSession\n";
#endif
}
