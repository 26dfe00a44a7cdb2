// Windows. Run under wine alone.
#include "platform/file.h"
#include "platform/host.h"
#include "platform/win32.h"

#include <aclapi.h>  // these two need windows.h before them
#include <sddl.h>

#include <memory>

namespace tr::platform {
namespace {

/// Memory that the security functions hand out.
struct LocalFreer {
    void operator()(void* memory) const { ::LocalFree(memory); }
};
using LocalMemory = std::unique_ptr<void, LocalFreer>;

std::string text_of(PSID sid) {
    wchar_t* text = nullptr;
    if (!::ConvertSidToStringSidW(sid, &text)) return "?";
    const LocalMemory owner(text);
    return narrow(text);
}

/// This user, or one that may do everything on the machine anyway.
bool is_trusted(const std::string& sid) {
    constexpr const char* kSystem = "S-1-5-18";
    constexpr const char* kAdministrators = "S-1-5-32-544";
    constexpr const char* kOwnerRights = "S-1-3-4";
    return sid == user_id() || sid == kSystem || sid == kAdministrators || sid == kOwnerRights;
}

/// Somebody else whom the list lets write; empty when there is none.
std::string stranger_who_may_write(PACL list) {
    constexpr ACCESS_MASK kWriting = FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY | FILE_DELETE_CHILD | DELETE | WRITE_DAC |
                                     WRITE_OWNER | GENERIC_WRITE | GENERIC_ALL;
    for (DWORD i = 0; i < list->AceCount; ++i) {
        void* raw = nullptr;
        if (!::GetAce(list, i, &raw)) continue;
        auto* entry = static_cast<ACCESS_ALLOWED_ACE*>(raw);
        if (entry->Header.AceType != ACCESS_ALLOWED_ACE_TYPE || (entry->Header.AceFlags & INHERIT_ONLY_ACE) != 0 ||
            (entry->Mask & kWriting) == 0)
            continue;
        const std::string sid = text_of(&entry->SidStart);
        if (!is_trusted(sid)) return sid;
    }
    return {};
}

}  // namespace

bool make_private_directory(const std::string& path) {
    // Full access for this user and the system, for what is made inside as well, and nothing inherited from above.
    const std::string rights = "D:P(A;OICI;FA;;;" + user_id() + ")(A;OICI;FA;;;SY)";
    PSECURITY_DESCRIPTOR descriptor = nullptr;
    if (!::ConvertStringSecurityDescriptorToSecurityDescriptorW(widen(rights).c_str(), SDDL_REVISION_1, &descriptor,
                                                                nullptr))
        fail(::GetLastError(), "preparing the access rights of '" + path + "'");
    const LocalMemory owner(descriptor);
    SECURITY_ATTRIBUTES attributes{sizeof attributes, descriptor, FALSE};
    if (::CreateDirectoryW(widen(path).c_str(), &attributes)) return true;
    if (const DWORD error = ::GetLastError(); error != ERROR_ALREADY_EXISTS)
        fail(error, "creating the directory '" + path + "'");
    return false;
}

std::string why_not_trusted(const std::string&, int, const std::string&) {
    return {};
}

std::string why_not_private(const std::string& path) {
    std::wstring wide = widen(path);
    const DWORD attributes = ::GetFileAttributesW(wide.c_str());
    if (attributes == INVALID_FILE_ATTRIBUTES)
        return std::system_category().message(static_cast<int>(::GetLastError()));
    if ((attributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0) return "it is a symbolic link";
    if ((attributes & FILE_ATTRIBUTE_DIRECTORY) == 0) return "it is not a directory";
    PSID owner = nullptr;
    PACL list = nullptr;
    PSECURITY_DESCRIPTOR descriptor = nullptr;
    const DWORD error =
        ::GetNamedSecurityInfoW(wide.data(), SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                                &owner, nullptr, &list, nullptr, &descriptor);
    if (error != ERROR_SUCCESS) return std::system_category().message(static_cast<int>(error));
    const LocalMemory memory(descriptor);
    if (const std::string sid = text_of(owner); !is_trusted(sid))
        return "it belongs to user " + sid + ", and this is user " + user_id();
    if (list == nullptr) return "others may write to it: it has no access list";
    const std::string stranger = stranger_who_may_write(list);
    return stranger.empty() ? "" : "others may write to it: " + stranger;
}

}  // namespace tr::platform
