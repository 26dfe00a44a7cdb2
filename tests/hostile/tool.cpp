// Driven by tests/hostile: what the C++ readers make of many inputs. tr_hostile_tool TARGET <INPUTS: each is a length,
// 4 bytes little-endian, and so many bytes. Prints one line for each; a finding ends it with status 2.
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>

#include "targets.h"

int main(int argc, char** argv) {
    const auto target = tr::hostile::find_target(argc == 2 ? argv[1] : "");
    if (target == nullptr) {
        std::cerr << "usage: tr_hostile_tool tsr|response|plain|hello|session|request|arguments|mailbox <INPUTS\n";
        return 1;
    }
    unsigned char length[4];
    std::string input;
    while (std::cin.read(reinterpret_cast<char*>(length), sizeof length)) {
        input.resize(length[0] | length[1] << 8 | length[2] << 16 | std::size_t{length[3]} << 24);
        std::cin.read(input.data(), static_cast<std::streamsize>(input.size()));
        try {
            std::cout << target(input) << '\n';
        } catch (const std::exception& error) {
            std::cerr << argv[1] << ": " << error.what() << '\n';
            return 2;
        }
    }
}
