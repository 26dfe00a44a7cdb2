#include "platform/private_pages.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "platform/unique_fd.h"

namespace tr::platform {

// By the pagemap of proc(5).
bool is_untouched(const void* memory, std::size_t bytes) {
    const UniqueFd pagemap(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    if (!pagemap) return false;
    constexpr std::uint64_t kPresentOrSwapped = 3ULL << 62;
    constexpr std::uint64_t kOfFile = 1ULL << 61;
    const auto page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const std::uint64_t first = reinterpret_cast<std::uintptr_t>(memory) / page_size;
    const std::uint64_t count = (bytes + page_size - 1) / page_size;
    std::array<std::uint64_t, 2048> pages{};
    for (std::uint64_t done = 0; done < count;) {
        const auto wanted = std::min<std::uint64_t>(pages.size(), count - done);
        const auto found = ::pread(pagemap.get(), pages.data(), wanted * sizeof(pages[0]),
                                   static_cast<off_t>((first + done) * sizeof(pages[0])));
        if (found <= 0) return false;
        const auto read = static_cast<std::size_t>(found) / sizeof(pages[0]);
        for (std::size_t page = 0; page < read; ++page)
            if ((pages[page] & kPresentOrSwapped) != 0 && (pages[page] & kOfFile) == 0) return false;
        done += read;
    }
    return true;
}

}  // namespace tr::platform
