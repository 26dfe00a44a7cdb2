// Exceptions that know where they were thrown.
#include "tech_renaissance.h"

int main() {
    const int line = __LINE__ + 2;
    try {
        TR_THROW("the weights are gone");
    } catch (const tr::TRException& error) {
        const std::string text = error.what();
        std::cerr << text << std::endl;
        if (error.line() != line || error.file() != __FILE__) return 1;
        if (text.find("the weights are gone") != 0 || text.find(std::to_string(line)) == std::string::npos) return 2;
    }
    try {
        throw tr::TRException("no place", "somewhere.cpp", 7);
    } catch (const std::exception& error) {
        if (std::string(error.what()) != "no place (somewhere.cpp:7)") return 3;
    }
    try {
        throw tr::TRException("a message alone");
    } catch (const tr::TRException& error) {
        if (!error.file().empty() || error.line() != 0 || std::string(error.what()) != "a message alone") return 4;
    }
    return 0;
}
