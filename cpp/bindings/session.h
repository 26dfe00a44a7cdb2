#pragma once

#include <pybind11/pybind11.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "signals.h"
#include "stream.h"
#include "tech_renaissance/session/python_session.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::python {

/// A session as Python holds it. It is only ever touched without the GIL: its calls wait, and its log callback needs
/// the GIL from whichever thread it is on. A call on one thread keeps it alive when another closes it.
class Session {
  public:
    explicit Session(SessionOptions options) : session_(new PythonSession(std::move(options)), &destroy) {}
    explicit Session(PythonSession session) : session_(new PythonSession(std::move(session)), &destroy) {}

    /// @throws InputError when it has been closed
    std::shared_ptr<PythonSession> hold() const {
        if (!session_) throw InputError("The session has been closed; make a new PythonSession");
        return session_;
    }

    template <class Call>
    auto call(Call what) const {
        const auto session = hold();
        const NoGil no_gil;
        return what(*session);
    }

    /// @param begin gives a TensorStream of a PythonSession
    template <class Begin>
    std::shared_ptr<Stream> stream(Begin begin) {
        const std::shared_ptr<PythonSession> session = session_;
        auto stream = std::make_shared<Stream>(session, call(begin));
        const auto gone = [](const std::weak_ptr<Stream>& other) { return other.expired(); };
        streams_.erase(std::remove_if(streams_.begin(), streams_.end(), gone), streams_.end());
        streams_.push_back(stream);
        return stream;
    }

    void end_streams() const {
        const auto streams = streams_;  // other threads may make one meanwhile
        for (const auto& one : streams)
            if (const std::shared_ptr<Stream> stream = one.lock()) stream->leave_session();
    }

    void close() {
        const std::shared_ptr<PythonSession> session = std::exchange(session_, nullptr);
        end_streams();
        if (session.use_count() > 1) {
            const NoGil no_gil;
            try {
                session->terminate();  // ends the calls of the other threads, the last of which destroys it
            } catch (const InputError&) {
                // In a fork of the program, which has none of these threads.
            }
        }
    }

  private:
    static void destroy(PythonSession* session) {
        const NoGil no_gil;
        const Uninterrupted here;
        delete session;
    }

    std::shared_ptr<PythonSession> session_;
    std::vector<std::weak_ptr<Stream>> streams_;  ///< those that a restart has ended keep the session too
};

/// A SentRequest as Python holds it; it does not keep the session.
class Sent {
  public:
    Sent(const std::shared_ptr<PythonSession>& session, SentRequest request)
        : session_(session), request_(std::move(request)) {}

    /// @throws InputError when the session has been closed
    template <class Call>
    auto call(Call what) const {
        const auto session = session_.lock();
        if (!session) throw InputError("The session of this request has been closed; its answer is lost");
        const NoGil no_gil;
        return what(*session, request_);
    }
    std::shared_ptr<PythonSession> session() const { return session_.lock(); }

  private:
    std::weak_ptr<PythonSession> session_;
    SentRequest request_;
};

}  // namespace tr::python
