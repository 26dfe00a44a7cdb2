// Does not compile: the tests look for the reason that the compiler gives.

#include "tech_renaissance/interop/eigen.h"

int main() {
    tr::Tensor tensor = tr::Tensor::zeros(tr::Shape(2, 3));
    Eigen::MatrixXf matrix(2, 3);
#if defined(REFUSED_AS_EIGEN)
    tr::as_eigen<Eigen::MatrixXf>(tensor);
#elif defined(REFUSED_VIEW_OF)
    tr::view_of(matrix);
#elif defined(REFUSED_EXPRESSION)
    tr::view_of(matrix + matrix);
#endif
}
