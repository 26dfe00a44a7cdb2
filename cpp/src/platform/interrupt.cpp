#include "platform/interrupt.h"

#include <atomic>

namespace tr::detail {
namespace {
std::atomic<void (*)()> interrupt_check{nullptr};
}

void set_interrupt_check(void (*check)()) {
    interrupt_check.store(check);
}

void check_interrupt() {
    if (auto* check = interrupt_check.load()) check();
}

}  // namespace tr::detail
