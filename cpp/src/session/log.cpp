#include "session/log.h"

#include <cstdio>
#include <utility>

namespace tr {
namespace {

const char* name_of(LogLevel level) {
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

}  // namespace

SessionLog::SessionLog(std::function<void(LogLevel, const std::string&)> sink, bool quiet, std::string session_id)
    : sink_(std::move(sink)), quiet_(quiet), session_id_(std::move(session_id)) {}

void SessionLog::operator()(LogLevel level, const std::string& message) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (sink_) {
        sink_(level, message);
    } else if (!quiet_ && level != LogLevel::debug) {
        std::fprintf(stderr, "[tech_renaissance %s] %s: %s\n", session_id_.c_str(), name_of(level), message.c_str());
    }
}

void SessionLog::set_quiet(bool quiet) {
    const std::lock_guard<std::mutex> lock(mutex_);
    quiet_ = quiet;
}

}  // namespace tr
