#include "platform/stay_loaded.h"

#include <dlfcn.h>

namespace tr::platform {

void stay_loaded() {
#ifdef RTLD_NODELETE
    static const bool done = [] {
        Dl_info found{};
        // Nothing is found of a program that is linked statically, which stays anyway.
        if (::dladdr(reinterpret_cast<const void*>(&stay_loaded), &found) != 0 && found.dli_fname != nullptr)
            ::dlopen(found.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
        return true;
    }();
    static_cast<void>(done);
#endif
}

}  // namespace tr::platform
