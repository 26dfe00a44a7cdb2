#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tr::protocol {

/// Where a tensor lies whose file has yet to get the name of its tag: `buffers` in docs/protocol.md, section 10.
struct BufferPlace {
    std::string_view tag;
    std::uint64_t inode = 0;
    std::string_view name;  ///< that its file has until then
};

/// Adds such a text to a request.
void tell_places(std::string& request, const std::string& places);
/// Takes "a 1234 .host-1 b 1235 .host-2" apart.
/// @param text lives longer than what is found
/// @throws InputError when it is not such a text
std::vector<BufferPlace> parse_places(std::string_view text);
/// @returns null when the tag is not among them
const BufferPlace* find_place(const std::vector<BufferPlace>& places, std::string_view tag);

}  // namespace tr::protocol
