#include "drive.h"
namespace tr::faults {
int soak(const Arguments&) {
    return 0;
}
}  // namespace tr::faults
