#pragma once

namespace tr::platform {

/// Has every descriptor from a number on close when another program is run in this process. Makes system calls alone,
/// so that it may be called between fork and exec.
void close_on_exec_from(int first);
/// The same without close_range(), which systems older than Linux 5.11 do not have.
void close_each_on_exec_from(int first);

}  // namespace tr::platform
