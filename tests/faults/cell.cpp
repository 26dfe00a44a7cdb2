#include "cell.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace tr::faults {

void Cell::violation(int& count, const std::string& what) {
    ++count;
    if (first_violation.empty()) first_violation = what;
}

void Cell::print() const {
    const nlohmann::json line{{"who", who},
                              {"carrier", carrier},
                              {"step", step},
                              {"kills", kills},
                              {"lost", lost},
                              {"hung", hung},
                              {"leaked", leaked},
                              {"outcomes", outcomes},
                              {"noticed_us", noticed_us},
                              {"violation", first_violation}};
    std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    std::fflush(stdout);
}

}  // namespace tr::faults
