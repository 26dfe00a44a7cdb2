#pragma once

#include <cstddef>

namespace tr::platform {

/// Whether nothing has been written to a private mapping: each page is the file's still. False where the system does
/// not tell. Takes some 17 ns a page.
bool is_untouched(const void* memory, std::size_t bytes);

}  // namespace tr::platform
