// Typed calls, and what a server declares.
#include "endpoints.h"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bindings.h"
#include "calls.h"
#include "session.h"
#include "tech_renaissance/session/endpoint.h"
#include "tensors.h"
#include "values.h"

namespace py = pybind11;

namespace tr::python {
namespace {

using Arguments = detail::EndpointArguments;

/// What each argument is, as host/endpoint_calls.py says it.
enum class Kind : std::uint8_t { value, tensor, tensors };

}  // namespace

py::list tensors_in(const py::sequence& items, const std::vector<std::uint8_t>& kinds) {
    py::list found;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        const py::object item = items[i];
        if (kinds[i] == static_cast<std::uint8_t>(Kind::tensor)) found.append(item);
        if (kinds[i] != static_cast<std::uint8_t>(Kind::tensors)) continue;
        for (const auto one : item) found.append(one);
    }
    return found;
}

namespace {

template <class T>
void put(Arguments& arguments, const std::string& endpoint, const std::vector<std::string>& names,
         const py::sequence& items, const std::vector<std::uint8_t>& kinds, const std::vector<T>& tensors) {
    auto next = tensors.begin();
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        const py::object item = items[i];
        const std::string& name = names.at(i);
        switch (static_cast<Kind>(kinds[i])) {
            case Kind::tensor:
                arguments.take(NamedArgument(name, *next++));
                break;
            case Kind::tensors: {
                const auto end = next + static_cast<std::ptrdiff_t>(py::len(item));
                arguments.take(NamedArgument(name, std::vector<T>(next, end)));
                next = end;
                break;
            }
            case Kind::value: {
                const std::string which = name.empty() ? "argument " + std::to_string(i) : name;
                arguments.take(NamedArgument(name, value_of(item, endpoint + ": " + which)));
            }
        }
    }
}

}  // namespace

void put_together(Arguments& arguments, const std::string& endpoint, const std::vector<std::string>& names,
                  const py::sequence& items, const std::vector<std::uint8_t>& kinds,
                  const std::vector<TensorView>& tensors) {
    put(arguments, endpoint, names, items, kinds, tensors);
}

void put_together(Arguments& arguments, const std::string& endpoint, const std::vector<std::string>& names,
                  const py::sequence& items, const std::vector<std::uint8_t>& kinds,
                  const std::vector<Tensor>& tensors) {
    put(arguments, endpoint, names, items, kinds, tensors);
}

py::list told(const std::vector<Endpoint>& found) {
    py::list all;
    for (const auto& endpoint : found) {
        py::list inputs;
        for (const auto& input : endpoint.inputs)
            inputs.append(py::make_tuple(text(input.name), text(input.type), input.required,
                                         input.preset ? object_of(*input.preset) : py::none(), input.by_name));
        py::list outputs;
        for (const auto& output : endpoint.outputs)
            outputs.append(py::make_tuple(text(output.name), text(output.type)));
        all.append(
            py::make_tuple(text(endpoint.name), text(endpoint.doc), endpoint.stream, endpoint.open, inputs, outputs));
    }
    return all;
}

namespace {

py::tuple call(const Session& self, const std::string& endpoint, const std::vector<std::string>& names,
               const py::sequence& items, const std::vector<std::uint8_t>& kinds, std::int64_t timeout_ms) {
    const BorrowedTensors borrowed(tensors_in(items, kinds));
    Arguments arguments(Arguments::Keep::no);
    put_together(arguments, endpoint, names, items, kinds, borrowed.views());
    arguments.within(Limit(timeout_ms));
    return result_tuple(
        self.call([&](const PythonSession& core) { return detail::EndpointCalls::call(core, endpoint, arguments); }));
}

std::shared_ptr<Stream> stream(Session& self, const std::string& endpoint, const std::vector<std::string>& names,
                               const py::sequence& items, const std::vector<std::uint8_t>& kinds,
                               std::int64_t timeout_ms) {
    const BorrowedTensors borrowed(tensors_in(items, kinds));
    Arguments arguments(Arguments::Keep::no);
    put_together(arguments, endpoint, names, items, kinds, borrowed.views());
    arguments.within(Limit(timeout_ms));
    return self.stream([&](PythonSession& core) { return detail::EndpointCalls::stream(core, endpoint, arguments); });
}

std::unique_ptr<Call> call_async(const Session& self, const std::string& endpoint,
                                 const std::vector<std::string>& names, const py::sequence& items,
                                 const std::vector<std::uint8_t>& kinds, std::int64_t timeout_ms) {
    std::vector<Tensor> shared;
    for (auto& [unused, tensor] : share(tensors_in(items, kinds), {})) shared.push_back(std::move(tensor));
    Arguments arguments(Arguments::Keep::yes);
    put_together(arguments, endpoint, names, items, kinds, shared);
    arguments.within(Limit(timeout_ms));
    return std::make_unique<Call>(self.call([&](const PythonSession& core) {
        return detail::EndpointCalls::call_async(core, endpoint, std::move(arguments));
    }));
}

py::list endpoints(const Session& self) {
    return told(self.call([](const PythonSession& core) { return core.endpoints(); }));
}

}  // namespace

void register_endpoints(py::module_& module) {
    auto session = py::class_<Session>(module.attr("Session"));
    session
        .def("call", &call, py::arg("endpoint"), py::arg("names"), py::arg("items"), py::arg("kinds"),
             py::arg("timeout_ms"))
        .def("call_async", &call_async, py::arg("endpoint"), py::arg("names"), py::arg("items"), py::arg("kinds"),
             py::arg("timeout_ms"))
        .def("stream_endpoint", &stream, py::arg("endpoint"), py::arg("names"), py::arg("items"), py::arg("kinds"),
             py::arg("timeout_ms"))
        .def("endpoints", &endpoints)
        .def("epoch", [](const Session& self) {
            return self.call([](const PythonSession& core) { return detail::EndpointCalls::epoch(core); });
        });
}

}  // namespace tr::python
