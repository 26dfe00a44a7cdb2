#include "platform/sequence_point.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>

#include "faults.h"

namespace tr::faults {
namespace {

std::mutex mutex;
std::map<std::string, int> counts;
std::string armed_step;
int armed_passage = 0;
std::string note_path;
std::atomic<bool> counting{false};

std::atomic<RingFault> ring_fault{RingFault::none};
std::atomic<int> every_nth{1};
std::atomic<int> ring_count{0};
std::atomic<int> disturbed{0};

[[noreturn]] void die() {
    const std::string now = std::to_string(monotonic_ns());
    const int note = ::open(note_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    [[maybe_unused]] const auto written = ::write(note, now.data(), now.size());
    ::kill(::getpid(), SIGKILL);
    for (;;) ::pause();
}

/// What a file is in the protocol, from its name.
std::string kind_of(const std::string& path) {
    const std::string name = path.substr(path.rfind('/') + 1);
    const auto starts = [&name](const char* prefix) { return name.rfind(prefix, 0) == 0; };
    if (path.find("/channels/") + sizeof("/channels") == path.size() - name.size()) return "channel";
    if (starts(".host-") || starts(".worker-")) return "buffer";
    if (starts("tr_session_") || starts(".tr_session_")) return "directory";
    if (starts(".template-")) return "template's log";
    if (starts(".tmp-") || starts(".probe-")) return "temporary file";
    if (name.size() > 4 && name.compare(name.size() - 4, 4, ".tsr") == 0) return "tensor";
    if (name == ".lock") return "workspace";
    if (starts("mailbox")) return "mailbox";
    return name;
}

/// Ends a wait of a thread that has just been woken once more, by a signal.
void ring_again(pthread_t thread) {
    static const auto handled = ::signal(SIGUSR1, [](int) {});
    static_cast<void>(handled);
    std::thread([thread] {
        std::this_thread::sleep_for(std::chrono::microseconds(500));
        ::pthread_kill(thread, SIGUSR1);
    }).detach();
}

}  // namespace

void arm(const std::string& step, int passage, const std::string& note) {
    const std::lock_guard<std::mutex> lock(mutex);
    counts.clear();
    armed_step = step;
    armed_passage = passage;
    note_path = note;
    counting = true;
}

std::map<std::string, int> passages() {
    const std::lock_guard<std::mutex> lock(mutex);
    return counts;
}

void reached(const char* step) {
    if (!counting) return;
    const std::lock_guard<std::mutex> lock(mutex);
    if (++counts[step] == armed_passage && armed_step == step) die();
}

void reached(const char* step, const std::string& path) {
    if (counting) reached((kind_of(path) + " " + step).c_str());
}

void disturb_rings(RingFault fault, int nth) {
    ring_fault = fault;
    every_nth = nth;
    disturbed = 0;
}

int disturbed_rings() {
    return disturbed;
}

int rings(const char* doorbell) {
    constexpr std::chrono::milliseconds kDelay{20};
    const RingFault fault = ring_fault;
    if (fault == RingFault::none || ++ring_count % every_nth != 0) return 1;
    ++disturbed;
    if (fault == RingFault::drop) return 0;
    if (fault == RingFault::repeat) {
        if (std::strcmp(doorbell, "inotify") == 0) ring_again(::pthread_self());
        return 3;
    }
    std::this_thread::sleep_for(kDelay);  // the fault itself
    return 1;
}

std::int64_t monotonic_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

}  // namespace tr::faults
