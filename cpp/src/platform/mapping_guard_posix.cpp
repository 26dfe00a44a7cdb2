#include "platform/mapping_guard.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace tr::platform {

namespace detail {
std::atomic<int> damage{0};
}  // namespace detail

/// What the signal's handler looks at takes no lock: entries are found by their addresses, which are atomic, and never
/// go away once they are there.
struct MappingGuard::Entry {
    std::atomic<std::uintptr_t> start{0};  ///< 0: free
    std::atomic<std::size_t> length{0};
    std::atomic<bool> damaged{false};
    std::atomic<bool> forgotten{false};
    std::string path;  // the handler does not touch it
    Entry* next = nullptr;
};

/// Everything else, under a mutex. Never destroyed, as tensors may outlive all static objects.
struct MappingTable {
    using Entry = MappingGuard::Entry;
    std::mutex mutex;
    std::vector<Entry*> free;
    std::vector<std::string> lost;  ///< damaged, and unmapped before anybody asked

    static MappingTable& get() {
        static MappingTable* const table = new MappingTable;
        return *table;
    }
    static std::atomic<Entry*>& entries() {
        static std::atomic<Entry*> first{nullptr};
        return first;
    }
    static bool repair(std::uintptr_t address);
};

namespace {

using InfoHandler = void (*)(int, siginfo_t*, void*);
using PlainHandler = void (*)(int);

std::uintptr_t page_size = 0;
// Who had the signal before; one of them is set, or neither for the default.
std::atomic<InfoHandler> earlier_info{nullptr};
std::atomic<PlainHandler> earlier_plain{nullptr};
// The thread that is in an earlier handler, and the last that was.
std::atomic<pthread_t> passing_on{};
std::atomic<pthread_t> passed_on{};
static_assert(std::atomic<pthread_t>::is_always_lock_free && std::atomic<std::uintptr_t>::is_always_lock_free);

void take_default_action(int signal, const siginfo_t* info) {
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    ::sigaction(signal, &action, nullptr);
    if (info->si_code <= 0) ::raise(signal);  // sent by somebody; a fault comes again by itself
}

/// To whoever had the signal before us. Such a handler may restore us and raise the signal again, as Python's
/// faulthandler does, or call us: both must end.
void pass_on(int signal, siginfo_t* info, void* context) {
    const pthread_t self = ::pthread_self();
    const InfoHandler with_info = earlier_info.load();
    const PlainHandler plain = earlier_plain.load();
    const bool again = passing_on.load() == self || (info->si_code <= 0 && passed_on.load() == self);
    if (!again && plain == SIG_IGN && info->si_code <= 0) return;
    if (again || plain == SIG_IGN || (with_info == nullptr && plain == nullptr)) {
        take_default_action(signal, info);
        return;
    }
    passing_on = passed_on = self;
    if (with_info != nullptr)
        with_info(signal, info, context);
    else
        plain(signal);
    passing_on = pthread_t{};
}

void on_bus_error(int signal, siginfo_t* info, void* context) {
    const int error = errno;
    const bool gone = info->si_code == BUS_ADRERR;
    if (!gone || !MappingTable::repair(reinterpret_cast<std::uintptr_t>(info->si_addr))) pass_on(signal, info, context);
    errno = error;
}

/// Also when another handler has been put in our place since. With the table's mutex held.
void install() {
    struct sigaction found{};
    ::sigaction(SIGBUS, nullptr, &found);
    const bool with_info = (found.sa_flags & SA_SIGINFO) != 0;
    if (with_info && found.sa_sigaction == on_bus_error) return;
    earlier_info = with_info ? found.sa_sigaction : nullptr;
    earlier_plain = with_info || found.sa_handler == SIG_DFL ? nullptr : found.sa_handler;
    struct sigaction action{};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    ::sigaction(SIGBUS, &action, nullptr);
}

bool is_in(const std::string& path, const std::string& directory) {
    return path.size() > directory.size() && path[directory.size()] == '/' &&
           path.compare(0, directory.size(), directory) == 0;
}

}  // namespace

/// Runs in the signal's handler: nothing but atomics and one system call.
bool MappingTable::repair(std::uintptr_t address) {
    for (Entry* entry = entries().load(std::memory_order_acquire); entry != nullptr; entry = entry->next) {
        const std::uintptr_t start = entry->start.load(std::memory_order_acquire);
        const std::uintptr_t end = start + entry->length.load(std::memory_order_relaxed);
        if (start == 0 || address < start || address >= end) continue;
        auto* page = reinterpret_cast<void*>(address & ~(page_size - 1));
        const std::size_t rest = end - reinterpret_cast<std::uintptr_t>(page);
        constexpr int kFlags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;
        if (::mmap(page, rest, PROT_READ | PROT_WRITE, kFlags, -1, 0) == MAP_FAILED) return false;
        if (!entry->forgotten && !entry->damaged.exchange(true)) detail::damage.fetch_add(1);
        return true;
    }
    return false;
}

MappingGuard::MappingGuard(const void* memory, std::size_t length, const std::string& path) {
    auto& table = MappingTable::get();
    static std::once_flag once;
    std::call_once(once, [] {
        page_size = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
        // A fork of the program may unmap what it has inherited.
        ::pthread_atfork([] { MappingTable::get().mutex.lock(); }, [] { MappingTable::get().mutex.unlock(); },
                         [] { MappingTable::get().mutex.unlock(); });
    });
    const std::lock_guard<std::mutex> lock(table.mutex);
    install();
    if (table.free.empty()) {
        table.free.push_back(new Entry);
        entry_ = table.free.back();
        entry_->next = MappingTable::entries().load();
        MappingTable::entries().store(entry_, std::memory_order_release);
    }
    entry_ = table.free.back();
    table.free.pop_back();
    entry_->path = path;
    entry_->damaged = entry_->forgotten = false;
    entry_->length.store(length, std::memory_order_relaxed);
    entry_->start.store(reinterpret_cast<std::uintptr_t>(memory), std::memory_order_release);
}

MappingGuard::~MappingGuard() {
    auto& table = MappingTable::get();
    const std::lock_guard<std::mutex> lock(table.mutex);
    entry_->start.store(0, std::memory_order_release);
    if (entry_->damaged) table.lost.push_back(std::move(entry_->path));
    table.free.push_back(entry_);
}

std::shared_ptr<void> own_mapping(void* memory, std::size_t length, const std::string& path) {
    struct Mapping {
        Mapping(void* start, std::size_t size, const std::string& name)
            : memory(start), length(size), guard(std::in_place, start, size, name) {}
        ~Mapping() {
            guard.reset();
            ::munmap(memory, length);
        }
        void* memory;
        std::size_t length;
        std::optional<MappingGuard> guard;
    };
    const auto mapping = std::make_shared<Mapping>(memory, length, path);
    return {mapping, memory};
}

std::string take_damage(const std::string& directory) {
    if (!any_damage()) return {};
    auto& table = MappingTable::get();
    const std::lock_guard<std::mutex> lock(table.mutex);
    for (auto* entry = MappingTable::entries().load(); entry != nullptr; entry = entry->next) {
        if (entry->start == 0 || !entry->damaged || !is_in(entry->path, directory)) continue;
        entry->damaged = false;
        detail::damage.fetch_sub(1);
        return entry->path;
    }
    for (auto path = table.lost.begin(); path != table.lost.end(); ++path) {
        if (!is_in(*path, directory)) continue;
        std::string found = std::move(*path);
        table.lost.erase(path);
        detail::damage.fetch_sub(1);
        return found;
    }
    return {};
}

void forget_damage(const std::string& directory) {
    {
        auto& table = MappingTable::get();
        const std::lock_guard<std::mutex> lock(table.mutex);
        for (auto* entry = MappingTable::entries().load(); entry != nullptr; entry = entry->next)
            if (entry->start != 0 && is_in(entry->path, directory)) entry->forgotten = true;
    }
    while (!take_damage(directory).empty()) {
    }
}

}  // namespace tr::platform
