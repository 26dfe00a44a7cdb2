#pragma once

#include <string>
#include <vector>

namespace tr::service {

constexpr const char* kGpus = "CUDA_VISIBLE_DEVICES";

/// The NVIDIA GPUs that this program may use, as that variable names them: those in it, else all of this machine.
std::vector<std::string> gpus_here();

/// Those of one worker, one after the other.
/// @param each how many; less than 1: several workers have one together
/// @param number of the worker
/// @throws InputError when there are not enough, or `each` is neither whole nor less than 1
std::string gpus_of_worker(double each, int number, const std::vector<std::string>& all);

}  // namespace tr::service
