// A Python module for the tests: a tr::Tensor that offers and takes DLPack capsules as array libraries do.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/interop/dlpack.h"

namespace py = pybind11;

namespace {

// The names that capsules have until, and after, somebody has taken what is in them.
template <class Managed>
struct CapsuleName;
template <>
struct CapsuleName<tr::dlpack::DLManagedTensor> {
    static constexpr const char* fresh = "dltensor";
    static constexpr const char* used = "used_dltensor";
};
template <>
struct CapsuleName<tr::dlpack::DLManagedTensorVersioned> {
    static constexpr const char* fresh = "dltensor_versioned";
    static constexpr const char* used = "used_dltensor_versioned";
};

template <class Managed>
py::object to_capsule(std::unique_ptr<Managed, tr::dlpack::CallDeleter> managed) {
    PyObject* capsule = PyCapsule_New(managed.get(), CapsuleName<Managed>::fresh, [](PyObject* self) {
        // Only a capsule that nobody has taken still owns its tensor.
        if (PyCapsule_IsValid(self, CapsuleName<Managed>::fresh) != 0) {
            tr::dlpack::CallDeleter()(static_cast<Managed*>(PyCapsule_GetPointer(self, CapsuleName<Managed>::fresh)));
        }
    });
    if (capsule == nullptr) throw py::error_already_set();
    static_cast<void>(managed.release());
    return py::reinterpret_steal<py::object>(capsule);
}

template <class Managed>
tr::Tensor take_capsule(PyObject* capsule) {
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, CapsuleName<Managed>::fresh));
    if (managed == nullptr) throw py::error_already_set();
    tr::Tensor tensor = tr::from_dlpack(managed);
    PyCapsule_SetName(capsule, CapsuleName<Managed>::used);
    return tensor;
}

tr::Tensor from_capsule(const py::capsule& capsule) {
    if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned") != 0) {
        return take_capsule<tr::dlpack::DLManagedTensorVersioned>(capsule.ptr());
    }
    return take_capsule<tr::dlpack::DLManagedTensor>(capsule.ptr());
}

py::object dlpack_of(const tr::Tensor& tensor, const py::object& max_version) {
    const bool versioned = !max_version.is_none() && max_version.cast<std::pair<int, int>>().first >= 1;
    return versioned ? to_capsule(tr::to_dlpack_versioned(tensor)) : to_capsule(tr::to_dlpack(tensor));
}

unsigned char* byte_at(tr::Tensor& tensor, std::size_t index) {
    if (index >= tensor.nbytes()) throw py::index_error();
    return static_cast<unsigned char*>(tensor.raw_data()) + index;
}

}  // namespace

PYBIND11_MODULE(tr_dlpack_module, module) {
    py::class_<tr::Tensor>(module, "Tensor", py::module_local())
        .def(py::init([](const py::bytes& data, const std::vector<std::int64_t>& shape, std::int32_t dtype) {
            const std::string bytes = data;
            tr::Tensor tensor = tr::Tensor::zeros(tr::Shape(shape), static_cast<tr::DType>(dtype));
            if (bytes.size() != tensor.nbytes()) throw py::value_error("wrong number of bytes");
            if (!bytes.empty()) std::memcpy(tensor.raw_data(), bytes.data(), bytes.size());
            return tensor;
        }))
        .def_static("from_capsule", &from_capsule)
        .def(
            "__dlpack__",
            [](const tr::Tensor& tensor, const py::object&, const py::object& max_version, const py::object&,
               const py::object&) { return dlpack_of(tensor, max_version); },
            py::kw_only(), py::arg("stream") = py::none(), py::arg("max_version") = py::none(),
            py::arg("dl_device") = py::none(), py::arg("copy") = py::none())
        .def("__dlpack_device__", [](const tr::Tensor&) { return py::make_tuple(1, 0); })
        .def("dtype", [](const tr::Tensor& tensor) { return static_cast<std::int32_t>(tensor.dtype()); })
        .def("shape", [](const tr::Tensor& tensor) { return py::tuple(py::cast(tensor.shape().dims())); })
        .def("address", [](tr::Tensor& tensor) { return reinterpret_cast<std::uintptr_t>(tensor.raw_data()); })
        .def("owners", [](const tr::Tensor& tensor) { return tensor.storage().use_count(); })
        .def("bytes",
             [](const tr::Tensor& tensor) {
                 return py::bytes(static_cast<const char*>(tensor.raw_data()), tensor.nbytes());
             })
        .def("set_byte",
             [](tr::Tensor& tensor, std::size_t index, unsigned char value) { *byte_at(tensor, index) = value; });
}
