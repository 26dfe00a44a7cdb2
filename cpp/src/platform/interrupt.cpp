#include "platform/interrupt.h"

#include <utility>

#include "tech_renaissance/utils/tr_exception.h"

namespace tr::detail {
namespace {
std::atomic<void (*)()> interrupt_check{nullptr};
thread_local const std::atomic<bool>* stop_flag = nullptr;
}  // namespace

void set_interrupt_check(void (*check)()) {
    interrupt_check.store(check);
}

const std::atomic<bool>* set_stop_flag(const std::atomic<bool>* flag) {
    return std::exchange(stop_flag, flag);
}

void check_stop_flag() {
    if (stop_flag != nullptr && stop_flag->load(std::memory_order_acquire))
        throw RetryError("the call was cancelled by the program that had made it", ErrorCode::cancelled);
}

void check_interrupt() {
    check_stop_flag();
    if (auto* check = interrupt_check.load()) check();
}

}  // namespace tr::detail
