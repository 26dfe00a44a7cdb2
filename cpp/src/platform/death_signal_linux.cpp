#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "platform/death_signal.h"

namespace tr::platform {

void die_with_parent(std::int64_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGHUP);
    if (::getppid() != parent) ::_exit(127);  // it died between fork and prctl
}

}  // namespace tr::platform
