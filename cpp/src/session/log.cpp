#include "session/log.h"

#include <cstdio>
#include <utility>

namespace tr {
SessionLog::SessionLog(std::function<void(LogLevel, const std::string&)> sink, bool quiet, std::string session_id)
    : sink_(std::move(sink)), quiet_(quiet), session_id_(std::move(session_id)) {}

void SessionLog::operator()(LogLevel level, const std::string& message) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (sink_) {
        try {
            sink_(level, message);
        } catch (...) {
            // A line may be logged while the session is destroyed, or from half of a start: nothing may come through.
            if (!quiet_)
                std::fprintf(stderr, "[tech_renaissance %s] the log callback threw, at: %s\n", session_id_.c_str(),
                             message.c_str());
        }
    } else if (!quiet_ && level != LogLevel::debug) {
        std::fprintf(stderr, "[tech_renaissance %s] %s: %s\n", session_id_.c_str(), to_string(level).c_str(),
                     message.c_str());
    }
}

void SessionLog::set_quiet(bool quiet) {
    const std::lock_guard<std::mutex> lock(mutex_);
    quiet_ = quiet;
}

}  // namespace tr
