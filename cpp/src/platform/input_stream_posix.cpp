#include "platform/input_stream.h"

#include <fstream>

namespace tr::platform {

std::unique_ptr<std::istream> open_input(const std::filesystem::path& path) {
    return std::make_unique<std::ifstream>(path, std::ios::binary);
}

}  // namespace tr::platform
