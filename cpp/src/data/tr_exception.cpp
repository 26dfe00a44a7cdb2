#include "tech_renaissance/utils/tr_exception.h"

#include <utility>

namespace tr {

std::string to_string(ErrorCode code) {
    return "E" + std::to_string(static_cast<int>(code));
}

/// what() ends at the first NUL, and the text of a request may hold some.
static std::string without_nul(std::string text) {
    for (auto at = text.find('\0'); at != std::string::npos; at = text.find('\0', at)) text.replace(at, 1, "\\0");
    return text;
}

TRException::TRException(const std::string& message, ErrorCode code, std::string python_type, std::string traceback)
    : std::runtime_error(without_nul(message)),
      code_(code),
      python_type_(std::move(python_type)),
      traceback_(std::move(traceback)) {}

TRException::TRException(const std::string& message, const std::string& file, int line)
    : TRException(message + " (" + file + ":" + std::to_string(line) + ")") {
    file_ = file;
    line_ = line;
}

InputError::InputError(const std::string& message, ErrorCode code, std::string python_type, std::string traceback)
    : TRException(message, code, std::move(python_type), std::move(traceback)) {}

TSRError::TSRError(const std::string& message) : InputError(message) {}

NotFoundError::NotFoundError(const std::string& message, std::string python_type, std::string traceback)
    : InputError(message, ErrorCode::not_found, std::move(python_type), std::move(traceback)) {}

RetryError::RetryError(const std::string& message, ErrorCode code, std::string python_type, std::string traceback)
    : TRException(message, code, std::move(python_type), std::move(traceback)) {}

TimeoutError::TimeoutError(const std::string& message, std::string python_type, std::string traceback)
    : RetryError(message, ErrorCode::timeout, std::move(python_type), std::move(traceback)) {}

OverloadedError::OverloadedError(const std::string& message, std::int64_t retry_after_ms)
    : RetryError(message, ErrorCode::overloaded), retry_after_ms_(retry_after_ms) {}

RestartError::RestartError(const std::string& message, ErrorCode code, bool may_retry)
    : TRException(message, code), may_retry_(may_retry) {}

RemoteError::RemoteError(const std::string& message, std::string python_type, std::string traceback)
    : TRException(message, ErrorCode::unknown, std::move(python_type), std::move(traceback)) {}

// Out of line, so that the type information of each class has one home that every library shares.
TRException::~TRException() = default;
InputError::~InputError() = default;
TSRError::~TSRError() = default;
NotFoundError::~NotFoundError() = default;
RetryError::~RetryError() = default;
TimeoutError::~TimeoutError() = default;
OverloadedError::~OverloadedError() = default;
RestartError::~RestartError() = default;
RemoteError::~RemoteError() = default;

}  // namespace tr
