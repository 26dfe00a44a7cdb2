#pragma once

#include <memory>

#include "channel/mailbox.h"
#include "python/values.h"

/// Leases (docs/protocol.md, "Tensors in shared memory") as functions of the interpreter.
namespace tr::python {

/// The functions of a table of the mailbox, and `self`, by which another one asks for it.
PyObject* lease_table(const std::shared_ptr<channel::Mailbox>& mailbox, channel::Mailbox::Lease* leases);

/// Makes the type of what hand_out() gives; once, before anything else here.
void prepare_leases();

/// shared_memory(mapping, table, slot) -> `address` and the functions `hand_out` and `held` of a mapped file. What
/// hand_out() gives is the memory, for a tensor: an object of the buffer protocol; held() is how many of them live.
/// With `table`, the `self` of one, and not None, they count as leases of the buffer in that slot, until the function
/// `give_up_leases` is called. `is_untouched` says of a private mapping whether nothing has been written to it.
PyObject* shared_memory(PyObject* self, Arguments arguments, Py_ssize_t count);

}  // namespace tr::python
