// Does not compile: the tests look for the reasons that the compiler gives.

#include "tech_renaissance/interop/eigen.h"

int main() {
    tr::Tensor tensor = tr::Tensor::zeros(tr::Shape(2, 3));
    tr::as_eigen<Eigen::MatrixXf>(tensor);
    const Eigen::MatrixXf matrix(2, 3);
    tr::view_of(matrix);
    tr::view_of(matrix + matrix);
}
