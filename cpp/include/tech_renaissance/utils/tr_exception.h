#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "tech_renaissance/export.h"

namespace tr {

/// The codes of docs/errors.md, the same on the wire and in both languages.
enum class ErrorCode {
    invalid_request = 1001,
    permission_denied = 1003,
    not_found = 1004,
    request_too_large = 1005,
    quota_exhausted = 2002,
    server_error = 3001,
    overloaded = 3002,
    timeout = 3003,
    conflict = 4001,
    cancelled = 4002,
    unknown = 9999,
};

/// "E1004" for ErrorCode::not_found.
TR_API std::string to_string(ErrorCode code);

/// What this library throws; one class for each action that a caller can take:
///
///     TRException (std::runtime_error)
///     |-- InputError      fix the input: E1001, E1003, E1005
///     |   |-- TSRError        a .tsr file is malformed, or cannot be read or written
///     |   `-- NotFoundError   E1004: no such command or tensor
///     |-- RetryError      try again later: E3002, E4001, E4002
///     |   |-- TimeoutError    E3003: the deadline passed; the worker may still be at work
///     |   `-- OverloadedError E3002: the queue of a pool is full; it says when to try again
///     |-- RestartError    the worker is gone or never came: start it again: E2002, E3001
///     `-- RemoteError     the Python code raised: report it: E9999
///
/// Any of them may come from the worker; python_type() and traceback() then carry what Python said,
/// and are empty for a failure on this side. Exceptions are ordinary values: copy them, keep them, any thread.
class TR_API TRException : public std::runtime_error {
  public:
    explicit TRException(const std::string& message, ErrorCode code = ErrorCode::unknown, std::string python_type = {},
                         std::string traceback = {});
    /// Of a program of its own that throws it, with TR_THROW(message); what() tells the place as well.
    TRException(const std::string& message, const std::string& file, int line);
    ~TRException() override;

    ErrorCode code() const noexcept { return code_; }
    /// The class of the Python exception, e.g. "ValueError"; empty when Python raised nothing.
    const std::string& python_type() const noexcept { return python_type_; }
    /// The Python traceback as Python prints it; of a TimeoutError, where the worker's code stood then, if it could say
    /// so. Else empty, when Python raised nothing.
    const std::string& traceback() const noexcept { return traceback_; }
    /// Where it was thrown with TR_THROW; empty and 0 for what this library throws.
    const std::string& file() const noexcept { return file_; }
    int line() const noexcept { return line_; }

  private:
    ErrorCode code_;
    std::string python_type_;
    std::string traceback_;
    std::string file_;
    int line_ = 0;
};

/// Throws a TRException that knows where it comes from.
#define TR_THROW(message) throw ::tr::TRException(message, __FILE__, __LINE__)

class TR_API InputError : public TRException {
  public:
    explicit InputError(const std::string& message, ErrorCode code = ErrorCode::invalid_request,
                        std::string python_type = {}, std::string traceback = {});
    ~InputError() override;
};

class TR_API TSRError : public InputError {
  public:
    explicit TSRError(const std::string& message);
    ~TSRError() override;
};

class TR_API NotFoundError : public InputError {
  public:
    explicit NotFoundError(const std::string& message, std::string python_type = {}, std::string traceback = {});
    ~NotFoundError() override;
};

class TR_API RetryError : public TRException {
  public:
    explicit RetryError(const std::string& message, ErrorCode code = ErrorCode::overloaded,
                        std::string python_type = {}, std::string traceback = {});
    ~RetryError() override;
};

class TR_API TimeoutError : public RetryError {
  public:
    explicit TimeoutError(const std::string& message, std::string python_type = {}, std::string traceback = {});
    ~TimeoutError() override;
};

/// The queue of a pool is full (PoolOptions::max_queue_size). The call was not made.
class TR_API OverloadedError : public RetryError {
  public:
    explicit OverloadedError(const std::string& message, std::int64_t retry_after_ms = 0);
    ~OverloadedError() override;

    /// When a place may be free: an estimate, from how long calls have taken; at least 1, milliseconds.
    std::int64_t retry_after_ms() const noexcept { return retry_after_ms_; }

  private:
    std::int64_t retry_after_ms_;
};

class TR_API RestartError : public TRException {
  public:
    explicit RestartError(const std::string& message, ErrorCode code = ErrorCode::server_error, bool may_retry = false);
    ~RestartError() override;

    /// The request may be sent again once there is a worker: it was not run, or RestartPolicy::idempotent names its
    /// command. Otherwise nobody can tell what effect it had.
    bool may_retry() const noexcept { return may_retry_; }

  private:
    bool may_retry_;
};

class TR_API RemoteError : public TRException {
  public:
    explicit RemoteError(const std::string& message, std::string python_type = {}, std::string traceback = {});
    ~RemoteError() override;
};

}  // namespace tr
