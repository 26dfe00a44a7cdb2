#include "worker/log.h"

#include <cstdio>
#include <utility>

#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

std::string to_string(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return "debug";
        case LogLevel::info:
            return "info";
        case LogLevel::warning:
            return "warning";
        case LogLevel::error:
            break;
    }
    return "error";
}

SessionLog::SessionLog(std::function<void(LogLevel, const std::string&)> sink, bool quiet, const SessionName& name)
    : sink_(std::move(sink)), quiet_(quiet), name_(name) {}

void SessionLog::operator()(LogLevel level, const std::string& message) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (!sink_) {
        if (!quiet_ && level != LogLevel::debug)
            std::fprintf(stderr, "[tech_renaissance %s] %s: %s\n", name_.text().c_str(), to_string(level).c_str(),
                         message.c_str());
        return;
    }
    waiting_.emplace_back(level, message);
    if (passing_.load() != std::thread::id()) return;
    passing_ = std::this_thread::get_id();
    while (!waiting_.empty()) {
        const auto line = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        pass(line.first, line.second);
        lock.lock();
    }
    passing_ = std::thread::id();
}

void SessionLog::pass(LogLevel level, const std::string& message) noexcept {
    try {
        sink_(level, message);
    } catch (...) {
        // A line may be logged while the session is destroyed, or from half of a start: nothing may come through.
        if (!quiet_)
            std::fprintf(stderr, "[tech_renaissance %s] the log callback threw, at: %s\n", name_.text().c_str(),
                         message.c_str());
    }
}

void SessionLog::throw_in_callback() const {
    throw InputError("session '" + name_.text() +
                     "': a call that starts a worker, or waits for one, cannot be made in the log callback, as the "
                     "line may be about such a call that is under way: note what is to be done, and do it when the "
                     "callback has returned");
}

void SessionLog::set_quiet(bool quiet) {
    quiet_ = quiet;
}

}  // namespace tr
