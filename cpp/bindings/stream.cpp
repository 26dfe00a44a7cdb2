#include "stream.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <chrono>

#include "bindings.h"
#include "signals.h"
#include "tech_renaissance/utils/tr_exception.h"
#include "values.h"

namespace py = pybind11;

namespace tr::python {
namespace {
constexpr std::chrono::milliseconds kStep(200);  ///< a signal does not end the wait for a mutex
}

class Stream::Use {
  public:
    explicit Use(Stream& stream) : stream_(stream), turn_(stream.mutex_, std::defer_lock) {
        if (stream.user_ == std::this_thread::get_id())
            throw InputError(
                "This stream is in a call of the same thread: it cannot be used in the log callback, or in a signal "
                "handler, that comes meanwhile");
        while (!turn_.try_lock_for(kStep)) check_signals();
        stream.user_ = std::this_thread::get_id();
    }
    ~Use() { stream_.user_ = std::thread::id(); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

  private:
    Stream& stream_;
    std::unique_lock<std::timed_mutex> turn_;
};

// In each method the local `owner` is declared before the GIL is given up: where it is the last one to have the
// session, that is destroyed with the GIL held, as its deleter expects.

Stream::~Stream() {
    const NoGil no_gil;
    const Uninterrupted here;
    stream_.reset();
}

std::optional<std::variant<Tensor, Result>> Stream::next() {
    std::shared_ptr<void> owner;
    const NoGil no_gil;
    const Use use(*this);
    if (cut_off_) throw InputError("The session was closed before this stream had ended; its other tensors are lost");
    if (!stream_) return std::nullopt;
    try {
        auto item = stream_->next_item();
        if (!item) end(owner);
        return item;
    } catch (const TimeoutError&) {
        throw;  // it may be waited for again
    } catch (...) {
        end(owner);
        throw;
    }
}

bool Stream::is_ready() {
    const NoGil no_gil;
    const std::unique_lock<std::timed_mutex> turn(mutex_, std::try_to_lock);
    if (!turn) return false;
    return cut_off_ || !stream_ || stream_->is_ready();
}

void Stream::cancel() {
    std::shared_ptr<void> owner;
    const NoGil no_gil;
    const Use use(*this);
    if (!stream_) return;
    stream_->cancel();
    end(owner);
}

void Stream::leave_session() {
    std::shared_ptr<void> owner;
    const NoGil no_gil;
    const std::unique_lock<std::timed_mutex> turn(mutex_, std::try_to_lock);
    if (!turn || !stream_) return;
    const Uninterrupted here;
    end(owner);
    cut_off_ = true;
}

/// Lets go of the stream, and gives out the owner for the caller to let go of.
void Stream::end(std::shared_ptr<void>& owner) {
    const Uninterrupted here;
    stream_.reset();
    owner = std::move(owner_);
}

/// None at the end; a Tensor; or of an endpoint what result_tuple() makes of a part.
static py::object next_object(Stream& self) {
    const auto item = self.next();
    if (!item) return py::none();
    if (const auto* tensor = std::get_if<Tensor>(&*item)) return py::cast(*tensor);
    return result_tuple(std::get<Result>(*item));
}

void register_stream(py::module_& module) {
    py::class_<Stream, std::shared_ptr<Stream>>(module, "Stream", "A tr::TensorStream; from Session.stream().")
        .def("next", &next_object)
        .def("is_ready", &Stream::is_ready)
        .def("cancel", &Stream::cancel);
}

}  // namespace tr::python
