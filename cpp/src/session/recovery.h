#pragma once

#include <string>
#include <vector>

#include "tech_renaissance/data/tensor_view.h"

namespace tr {

/// What makes a request the same as another, for the quarantine and for people: its text, and the dtypes and shapes of
/// the tensors that go with it.
std::string identity_of(const std::string& message, const std::vector<TensorView>& tensors);

/// "1 worker", "2 workers".
inline std::string workers(int count) {
    return std::to_string(count) + (count == 1 ? " worker" : " workers");
}

}  // namespace tr
