#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "tech_renaissance/worker/session_options.h"
#include "worker/session_name.h"

namespace tr {

/// Log lines of one session; any thread. No lock is held while the callback runs, so that it may use the session: lines
/// that come meanwhile are passed when it has returned, by the thread that is in it.
class SessionLog {
  public:
    SessionLog(std::function<void(LogLevel, const std::string&)> sink, bool quiet, const SessionName& name);

    void operator()(LogLevel level, const std::string& message);
    void set_quiet(bool quiet);
    /// For calls that may wait for what the line at hand is a part of.
    /// @throws InputError on the thread that is in the callback
    void refuse_in_callback() const {
        if (in_callback()) throw_in_callback();
    }
    bool in_callback() const { return passing_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }

  private:
    void pass(LogLevel level, const std::string& message) noexcept;
    [[noreturn]] void throw_in_callback() const;

    std::mutex mutex_;
    std::function<void(LogLevel, const std::string&)> sink_;
    std::atomic<bool> quiet_;
    const SessionName& name_;
    std::deque<std::pair<LogLevel, std::string>> waiting_;
    std::atomic<std::thread::id> passing_{};  ///< who is in the callback; set and cleared with mutex_ held
};

}  // namespace tr
