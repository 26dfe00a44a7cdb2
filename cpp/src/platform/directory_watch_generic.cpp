// Systems other than Linux. Run on Linux by a build with -DTR_PLATFORM=posix; untested on those systems.
#include "platform/directory_watch.h"

namespace tr::platform {

std::unique_ptr<DirectoryWatch> DirectoryWatch::open(const std::string&, std::string& reason) {
    reason = "no file notification is implemented for this operating system";
    return nullptr;
}

}  // namespace tr::platform
