// Windows. Run under wine alone.
#include "platform/stay_loaded.h"

#include "platform/win32.h"

namespace tr::platform {

void stay_loaded() {
    HMODULE module = nullptr;
    ::GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                         reinterpret_cast<LPCWSTR>(&stay_loaded), &module);
}

}  // namespace tr::platform
