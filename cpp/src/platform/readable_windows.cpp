// Windows. Run under wine alone.
#include "platform/readable.h"

#include <utility>

#include "tech_renaissance/utils/tr_exception.h"

namespace tr::platform {

std::unique_ptr<Readable> Readable::make() {
    throw InputError(
        "there is no descriptor to poll on Windows: wait with a WaitSet on a thread of its own, or have "
        "CallFuture::when_ready() tell the event loop");
}

std::thread quiet_thread(std::function<void()> body) {
    return std::thread(std::move(body));
}

}  // namespace tr::platform
