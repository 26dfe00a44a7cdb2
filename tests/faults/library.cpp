// What points.py and doorbells.py tell the library that a worker has loaded.
#include <string>

#include "faults.h"

extern "C" {

__attribute__((visibility("default"))) void tr_faults_arm(const char* step, int passage, const char* note) {
    tr::faults::arm(step, passage, note);
}

/// "step<TAB>count<NEWLINE>..."; of the calling thread until it asks again.
__attribute__((visibility("default"))) const char* tr_faults_passages() {
    thread_local std::string text;
    text.clear();
    for (const auto& [step, count] : tr::faults::passages()) text += step + "\t" + std::to_string(count) + "\n";
    return text.c_str();
}

__attribute__((visibility("default"))) void tr_faults_disturb_rings(const char* fault, int nth) {
    using tr::faults::RingFault;
    const std::string name = fault;
    tr::faults::disturb_rings(name == "drop"     ? RingFault::drop
                              : name == "delay"  ? RingFault::delay
                              : name == "repeat" ? RingFault::repeat
                                                 : RingFault::none,
                              nth);
}

__attribute__((visibility("default"))) int tr_faults_disturbed_rings() {
    return tr::faults::disturbed_rings();
}
}
