#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tech_renaissance/session/endpoint.h"
#include "tech_renaissance/session/endpoint_arguments.h"

namespace tr::python {

/// All tensors of a typed call, in order. What each argument is, `kinds` says, as host/endpoint_calls.py does.
pybind11::list tensors_in(const pybind11::sequence& items, const std::vector<std::uint8_t>& kinds);
/// The arguments of a typed call.
/// @param tensors views, or tensors, one for each of tensors_in()
void put_together(detail::EndpointArguments& arguments, const std::string& endpoint,
                  const std::vector<std::string>& names, const pybind11::sequence& items,
                  const std::vector<std::uint8_t>& kinds, const std::vector<TensorView>& tensors);
void put_together(detail::EndpointArguments& arguments, const std::string& endpoint,
                  const std::vector<std::string>& names, const pybind11::sequence& items,
                  const std::vector<std::uint8_t>& kinds, const std::vector<Tensor>& tensors);
/// As host/endpoint_calls.py takes them.
pybind11::list told(const std::vector<Endpoint>& endpoints);

}  // namespace tr::python
