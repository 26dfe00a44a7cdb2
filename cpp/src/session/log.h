#pragma once

#include <functional>
#include <mutex>
#include <string>

#include "tech_renaissance/session/session_options.h"

namespace tr {

/// Log lines of one session; any thread.
class SessionLog {
  public:
    SessionLog(std::function<void(LogLevel, const std::string&)> sink, bool quiet, std::string session_id);

    void operator()(LogLevel level, const std::string& message);
    void set_quiet(bool quiet);

  private:
    std::mutex mutex_;
    std::function<void(LogLevel, const std::string&)> sink_;
    bool quiet_;
    std::string session_id_;
};

}  // namespace tr
