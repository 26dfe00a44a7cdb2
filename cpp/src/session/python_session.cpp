#include "tech_renaissance/session/python_session.h"

#include <utility>

#include "session/session_impl.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

SessionOptions options_of(const std::string& script, const std::string& session_id, bool quiet) {
    SessionOptions options;
    options.script = script;
    options.session_id = session_id;
    options.quiet = quiet;
    return options;
}

}  // namespace

PythonSession::PythonSession(const std::string& script_path, const std::string& session_id, bool quiet_mode)
    : PythonSession(options_of(script_path, session_id, quiet_mode)) {}
PythonSession::PythonSession(SessionOptions options) : impl_(new Impl(std::move(options))) {}
PythonSession::~PythonSession() = default;
PythonSession::PythonSession(PythonSession&&) noexcept = default;
PythonSession& PythonSession::operator=(PythonSession&&) noexcept = default;

void PythonSession::Drop::operator()(Impl* impl) const {
    // In a fork of the program it stays as it was: threads that are not there may be using it, and to destroy what they
    // wait on would be to wait for them.
    if (!impl->inherited()) delete impl;
}

PythonSession::Impl& PythonSession::impl() const {
    if (!impl_) throw InputError("this PythonSession has been moved from: use the one that it was moved to");
    impl_->check_process();
    return *impl_;
}

void PythonSession::start() {
    impl().start();
}
bool PythonSession::is_alive() const {
    return impl().is_alive();
}
bool PythonSession::is_ready() const {
    return impl().is_ready();
}
bool PythonSession::is_busy() const {
    return impl().is_busy();
}
void PythonSession::wait_until_ready(std::int64_t timeout_ms) {
    impl().wait_until_ready(timeout_ms);
}
void PythonSession::wait_until_ok(std::int64_t timeout_ms) {
    impl().wait_until_ok(timeout_ms);
}
void PythonSession::send_request(const std::string& message) {
    impl().send_request(message);
}
bool PythonSession::new_response() {
    return impl().new_response();
}
std::string PythonSession::read_response() {
    return impl().read_response();
}
std::string PythonSession::wait_for_response(std::int64_t timeout_ms) {
    return impl().wait_for_response(timeout_ms);
}
std::string PythonSession::fetch_response(const std::string& message, std::int64_t timeout_ms) {
    return impl().fetch_response(message, timeout_ms);
}
void PythonSession::send_tensor(const TensorView& tensor, const std::string& tag) {
    impl().send_tensor(tensor, tag);
}
Tensor PythonSession::empty(const Shape& shape, DType dtype, const std::string& tag) {
    return impl().empty(shape, dtype, tag);
}
Tensor PythonSession::wait_for_tensor(std::int64_t timeout_ms) {
    return impl().wait_for_tensors(timeout_ms).front();
}
std::vector<Tensor> PythonSession::wait_for_tensors(std::int64_t timeout_ms) {
    return impl().wait_for_tensors(timeout_ms);
}
Tensor PythonSession::fetch_tensor(const std::string& message, std::int64_t timeout_ms) {
    return impl().fetch_tensors(message, timeout_ms).front();
}
Tensor PythonSession::calculate_all(const std::string& command, const std::vector<TensorView>& tensors,
                                    std::int64_t timeout_ms) {
    return impl().calculate(command, tensors, timeout_ms).front();
}
std::vector<Tensor> PythonSession::calculate_n(const std::string& command, const std::vector<TensorView>& tensors,
                                               std::int64_t timeout_ms) {
    return impl().calculate(command, tensors, timeout_ms);
}
TensorStream PythonSession::stream(const std::string& command, const std::vector<TensorView>& tensors,
                                   std::int64_t timeout_ms) {
    return impl().stream(command, tensors, timeout_ms);
}
std::future<Tensor> PythonSession::calculate_async(const std::string& command, const std::vector<Tensor>& tensors,
                                                   std::int64_t timeout_ms) {
    return impl().calculate_async(command, tensors, timeout_ms);
}
void PythonSession::please_exit(std::int64_t timeout_ms, bool ensure) {
    impl().please_exit(timeout_ms, ensure);
}
void PythonSession::terminate() {
    impl().terminate();
}
void PythonSession::join() {
    impl().join();
}
void PythonSession::restart(std::int64_t timeout_ms) {
    impl().restart(timeout_ms);
}
void PythonSession::clear_quarantine() {
    impl().clear_quarantine();
}
std::string PythonSession::session_dir() const {
    return impl().session_dir();
}
const std::string& PythonSession::session_id() const {
    return impl().session_id();
}
void PythonSession::set_quiet_mode(bool quiet) {
    impl().set_quiet_mode(quiet);
}
SessionStats PythonSession::stats() const {
    return impl().stats();
}

}  // namespace tr
