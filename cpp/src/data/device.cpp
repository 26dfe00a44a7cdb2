#include "tech_renaissance/data/device.h"

namespace tr {

std::string to_string(Device device) {
    return device == CPU ? "cpu" : "unknown";
}

}  // namespace tr
