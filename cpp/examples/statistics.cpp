// Mean and standard deviation of each column of a matrix, from a worker that uses NumPy: statistics_server.py.
#include <iostream>
#include <vector>

#include "tech_renaissance.h"

int main() {
    try {
        tr::PythonSession session("statistics_server.py", "statistics");
        session.start();

        const auto matrix = tr::Tensor::from_vector({1.0, 10.0, 2.0, 20.0, 6.0, 60.0}, tr::Shape(3, 2));
        const std::vector<tr::Tensor> results = session.calculate_many("statistics", {matrix});
        results.at(0).print("mean");
        results.at(1).print("standard deviation");
    } catch (const tr::TRException& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
