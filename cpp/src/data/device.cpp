#include "tech_renaissance/data/device.h"

#include <algorithm>
#include <cctype>
#include <ostream>

#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

Device::Device(const std::string& name, int index) : name_{} {
    if (name.empty() || name.size() >= kMostLetters)
        throw InputError("'" + name + "' is no name of a device: expected one of 1 to " +
                         std::to_string(kMostLetters - 1) + " letters, such as \"cpu\"");
    std::transform(name.begin(), name.end(), name_.begin(),
                   [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    // There is one, whatever programs call it.
    index_ = this->name() == "cpu" ? 0 : index;
}

std::string Device::str() const {
    return is_cpu() ? name() : name() + ":" + std::to_string(index_);
}

std::string to_string(const Device& device) {
    return device.str();
}

std::ostream& operator<<(std::ostream& out, const Device& device) {
    return out << device.str();
}

}  // namespace tr
