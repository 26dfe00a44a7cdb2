// One libFuzzer program for each target; TR_FUZZ_TARGET names it.
#include <cstddef>
#include <cstdint>

#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    tr::hostile::TR_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
    return 0;
}
