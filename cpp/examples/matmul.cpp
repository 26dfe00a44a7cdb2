// Multiplies two matrices in PyTorch, through a server of its own: matmul_server.py.
#include <iostream>
#include <string>

#include "tech_renaissance.h"

int main() {
    try {
        tr::PythonSession session("matmul_server.py", "matmul");
        session.start();

        const auto a = tr::Tensor::full(tr::Shape(4, 3), 1.5);
        const auto b = tr::Tensor::full(tr::Shape(3, 5), 2.0);
        const tr::Tensor product = session.calculate("matmul", a, b);
        product.print("product");

        std::string report;
        if (!product.is_close(tr::Tensor::full(tr::Shape(4, 5), 9.0), 1e-5, 1e-8, &report)) {
            std::cerr << "unexpected product: " << report << '\n';
            return 1;
        }
    } catch (const tr::TRException& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
