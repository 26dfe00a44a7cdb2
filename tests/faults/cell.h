#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tr::faults {

/// What became of all the deaths at one step; a line of JSON for the table.
struct Cell {
    std::string who;
    std::string carrier;
    std::string step;
    int kills = 0;
    int lost = 0;    ///< requests that were neither answered right nor failed with a reason
    int hung = 0;    ///< waits that did not end, processes that did not leave
    int leaked = 0;  ///< files, descriptors and processes left over
    std::map<std::string, int> outcomes;
    std::vector<std::int64_t> noticed_us;  ///< from the death to the end of the wait, or of the last orphan
    std::string first_violation;

    void violation(int& count, const std::string& what);
    void print() const;
};

}  // namespace tr::faults
