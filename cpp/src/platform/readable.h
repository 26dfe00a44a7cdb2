#pragma once

#include <functional>
#include <memory>
#include <thread>

namespace tr::platform {

/// A descriptor that others poll: readable while set(true) was the last that was said.
class Readable {
  public:
    virtual ~Readable() = default;
    /// Closed with this object.
    virtual int descriptor() const = 0;
    /// One thread at a time.
    virtual void set(bool readable) = 0;

    /// @throws std::system_error, InputError where this system has none
    static std::unique_ptr<Readable> make();
};

/// A thread that no signal of the program's is delivered to.
/// @throws std::system_error
std::thread quiet_thread(std::function<void()> body);

}  // namespace tr::platform
