#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "commands.h"

namespace bench {

/// What one timed round trip does. Tensors are rows of float32 that both sides could compute with.
enum class Operation {
    text,               ///< 22 bytes there, 22 bytes back
    echo,               ///< ordinary memory here to the worker and back into ordinary memory here
    echo_view,          ///< the same, but the result is used where it lies
    in,                 ///< ordinary memory here to the worker, which looks at one element
    out,                ///< ordinary memory of the worker to here, where one element is looked at
    in_place,           ///< memory that both sides share, there and back, no byte moved
    calculate,          ///< relu of a torch tensor by a hand-written server
    calculate_default,  ///< the same by the server that comes with the library
    compute,            ///< text; the worker computes with PyTorch for as many microseconds as there are bytes
};

/// @throws std::invalid_argument for a word that names none
Operation operation_from(const std::string& name);

inline const std::string kMessage = "hello to_the_other_end";
inline constexpr unsigned char kWorkersByte = 0x3f;  ///< every byte of what a worker sends by itself

/// Bytes of ordinary memory, all of them touched.
using Buffer = std::vector<unsigned char>;

/// One way to reach a Python worker. Made with its worker ready; its destruction ends the worker.
class Transport {
  public:
    virtual ~Transport() = default;
    /// Makes ready for runs of this kind and size; not timed.
    /// @throws Absent when this way has no such operation
    virtual void prepare(Operation operation, std::size_t bytes);
    /// One round trip; what is timed.
    virtual void run(Operation operation) = 0;
    /// Compares all of what the last run brought with what it should be; not timed.
    /// @throws std::runtime_error when it is wrong
    virtual void check(Operation operation) const;
    virtual pid_t worker_pid() const { return 0; }
    /// Where its files are; empty when it has none.
    virtual std::string directory() const { return {}; }
    /// What it says about itself.
    virtual std::string description() const { return {}; }

  protected:
    /// Where the tensor that came in lies.
    virtual const unsigned char* received() const { return target_.data(); }

    Buffer source_;  ///< what goes out
    Buffer target_;  ///< where what comes in belongs
};

/// Each program defines these: the transports it has, and how long something took that it has done once (seconds).
std::unique_ptr<Transport> open_transport(const Arguments& arguments);
/// @throws Absent
double time_once(const Arguments& arguments, const std::string& kind);

}  // namespace bench
