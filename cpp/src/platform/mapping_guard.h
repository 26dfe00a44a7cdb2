#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

#include "tech_renaissance/export.h"

namespace tr::platform {

/// Files of a session are mapped, and a peer that breaks the rules can shorten them. To touch memory whose file has
/// gone is a fatal signal. Memory that is guarded here reads as zeros from there on instead, and whoever deals with
/// the peer asks take_damage(). See docs/decisions/0013-mapping-guard.md.

namespace detail {
/// How many mappings were damaged that nobody has asked for yet.
TR_API extern std::atomic<int> damage;
}  // namespace detail

/// Keeps a mapping guarded for as long as it lives; to be destroyed before the memory is unmapped.
class TR_API MappingGuard {
  public:
    /// @param path of the file, for take_damage()
    MappingGuard(const void* memory, std::size_t length, const std::string& path);
    ~MappingGuard();
    MappingGuard(const MappingGuard&) = delete;
    MappingGuard& operator=(const MappingGuard&) = delete;

  private:
    struct Entry;
    friend struct MappingTable;
    Entry* entry_;
};

/// Memory that mmap() gave, guarded, and unmapped with its last owner.
std::shared_ptr<void> own_mapping(void* memory, std::size_t length, const std::string& path);

/// Something may have been lost; costs one load.
inline bool any_damage() {
    return detail::damage.load(std::memory_order_relaxed) != 0;
}
/// A file of this directory of which something was lost since this was asked last; empty when there is none.
TR_API std::string take_damage(const std::string& directory);
/// Mappings that are there now are of a peer that has gone: what they lose from here on is nobody's fault.
void forget_damage(const std::string& directory);

}  // namespace tr::platform
