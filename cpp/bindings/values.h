#pragma once

#include <pybind11/pybind11.h>

#include <map>
#include <string>

#include "tech_renaissance/protocol/batch_stats.h"
#include "tech_renaissance/protocol/value.h"
#include "tech_renaissance/session/result.h"

namespace tr::python {

/// None, bool, int, float, str, list, tuple or dict with keys that are str, as a value.
/// @throws InputError for anything else, which `where` names, or what is nested too deep
Value value_of(pybind11::handle object, const std::string& where);
pybind11::object object_of(const Value& value);

/// Whether the server declares what it gives, its text, and each result: its name, and a Tensor or a value.
pybind11::tuple result_tuple(const Result& result);

/// The fields of each endpoint's batches.
pybind11::dict batches_dict(const std::map<std::string, BatchStats>& batches);

}  // namespace tr::python
