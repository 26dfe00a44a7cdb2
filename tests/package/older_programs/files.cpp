// `.tsr` files by the older names.
#include "tech_renaissance.h"

using namespace tr;

int main(int, char** argv) {
    const std::string filename = std::string(argv[1]) + "/a.tsr";
    const Tensor original = Tensor::uniform(Shape(1, 2, 3, 4), -100, 100, 42);
    EXPORT_TENSOR(original, filename);
    if (!std::filesystem::exists(filename)) return 1;
    const Tensor imported = IMPORT_TENSOR(filename);
    if (imported != original) return 2;
    export_tsr(imported, filename);
    if (import_tsr(filename) != original) return 3;
    std::filesystem::remove(filename);
    try {
        IMPORT_TENSOR(filename);
    } catch (const TRException& error) {
        std::cout << error.what() << std::endl;
        return 0;
    }
    return 4;
}
