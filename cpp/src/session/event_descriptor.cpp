#include "session/event_descriptor.h"

#include "session/core.h"

namespace tr::session {
namespace {

using platform::Deadline;
constexpr std::int64_t kRecheckMs = 1'024;  ///< a ring is a hint: the truth is looked at this often anyway

}  // namespace

EventDescriptor::EventDescriptor(const Core& core)
    : core_(core), readable_(platform::Readable::make()), thread_(platform::quiet_thread([this] { run(); })) {}

EventDescriptor::~EventDescriptor() {
    closing_.store(true);
    bells_.ring();
    thread_.join();
}

void EventDescriptor::update() {
    const std::lock_guard<std::mutex> lock(mutex_);
    readable_->set(core_.something_to_take());
}

void EventDescriptor::run() {
    while (!closing_.load()) {
        const auto seen = bells_.look({&core_});
        update();
        if (!closing_.load()) bells_.sleep(seen, Deadline::after(kRecheckMs));
    }
}

}  // namespace tr::session
