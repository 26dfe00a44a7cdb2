#ifdef __linux__

#include "python/tensors.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "data/tsr_header.h"
#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/interop/dlpack.h"

namespace tr::python {
namespace {

/// What a type of tensors offers as `__dlpack_c_exchange_api__` (DLPack 1.2 and later): functions that make its tensors
/// and describe them, with the interpreter's lock held.
struct Exchange {
    dlpack::DLPackVersion version;
    Exchange* previous;
    void* allocate;
    void* from_python;
    int (*to_python)(dlpack::DLManagedTensorVersioned* stolen, void** out);
    int (*describe)(void* tensor, dlpack::DLTensor* out);  ///< what stays valid until the caller returns; or null
    void* current_stream;
};

/// Nothing when it is of a version that is not known here.
const Exchange* exchange_of(PyObject* capsule) {
    const auto& found = content<const Exchange>(capsule, "dlpack_exchange_api");
    return found.version.major == dlpack::kMajorVersion ? &found : nullptr;
}

/// The memory of an object of the buffer protocol, held.
class Held {
  public:
    explicit Held(PyObject* object) : held_(PyObject_GetBuffer(object, &buffer_, PyBUF_CONTIGUOUS_WITH_FORMAT) == 0) {}
    ~Held() {
        if (held_) PyBuffer_Release(&buffer_);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    /// @throws InputError, Raised when it is no tensor
    TensorView view() const {
        if (!held_) throw Raised{};
        std::int64_t dims[Shape::kMaxRank] = {};
        if (buffer_.ndim > static_cast<int>(Shape::kMaxRank)) throw InputError("its rank is too high");
        std::copy_n(buffer_.shape, buffer_.ndim, dims);
        return {buffer_.buf, Shape(dims, static_cast<std::size_t>(buffer_.ndim)), dtype()};
    }

  private:
    /// Of the letters of Python's struct module, and Z for complex, in the byte order of files.
    DType dtype() const {
        std::string letters = buffer_.format != nullptr ? buffer_.format : "";
        if (!letters.empty() && letters[0] == '<') letters.erase(0, 1);
        const bool is_complex = letters.size() == 2 && letters[0] == 'Z';
        if (is_complex) letters.erase(0, 1);
        dlpack::TypeCode code{};
        if (is_complex)
            code = dlpack::TypeCode::complex;
        else if (letters == "?")
            code = dlpack::TypeCode::boolean;
        else if (letters.size() == 1 && std::strchr("bhilq", letters[0]) != nullptr)
            code = dlpack::TypeCode::signed_int;
        else if (letters.size() == 1 && std::strchr("BHILQ", letters[0]) != nullptr)
            code = dlpack::TypeCode::unsigned_int;
        else if (letters.size() == 1 && std::strchr("efd", letters[0]) != nullptr)
            code = dlpack::TypeCode::ieee_float;
        else
            throw InputError("its elements are of another kind");
        return dlpack::from_dlpack_dtype(
            {static_cast<std::uint8_t>(code), static_cast<std::uint8_t>(buffer_.itemsize * 8), 1});
    }

    Py_buffer buffer_{};
    bool held_;
};

/// Hands out the contents of a tensor, arguments[1], of a type with the exchange arguments[0]; nothing is done for one
/// that cannot be described: who asks has another way, and that has the words for it.
template <class Body>
void with_view(Arguments arguments, const Body& body) {
    try {
        if (is_none(arguments[0])) return body(Held(arguments[1]).view());
        const Exchange* exchange = exchange_of(arguments[0]);
        if (exchange == nullptr || exchange->describe == nullptr) return;
        dlpack::DLTensor described{};
        if (exchange->describe(arguments[1], &described) != 0) throw Raised{};
        body(dlpack::view_of(described));
    } catch (const Raised&) {
        PyErr_Clear();
    } catch (const InputError&) {
    }
}

/// Header and data, where they fit exactly.
bool write(const TensorView& view, unsigned char* memory, std::size_t size) {
    const auto header = encode_tsr_header(view.dtype(), view.shape());
    if (header.size() + view.nbytes() != size) return false;
    std::copy(header.begin(), header.end(), memory);
    if (view.nbytes() != 0) std::memcpy(memory + header.size(), view.data(), view.nbytes());
    return true;
}

/// Memory that an object of the interpreter keeps valid.
std::shared_ptr<void> memory_of(PyObject* owner, void* memory) {
    Py_IncRef(owner);
    return {memory, [owner](void*) {
                // Tensors die on any thread, and some behind the interpreter.
                if (Py_IsInitialized() == 0) return;
                const int state = PyGILState_Ensure();
                Py_DecRef(owner);
                PyGILState_Release(state);
            }};
}

/// Those that have to be looked at first, as reading another byte as a bool is undefined; and those that not every
/// PyTorch has.
bool is_unusual(DType dtype) {
    return dtype == DType::BOOL || dtype == DType::FP8_E4M3FN || dtype == DType::FP8_E5M2;
}

}  // namespace

PyObject* read_tensor(PyObject*, Arguments arguments, Py_ssize_t count) {
    return answer(PyExc_TypeError, PyExc_TypeError, [&] {
        require_count(count, 4);
        auto* memory = reinterpret_cast<unsigned char*>(to_number(arguments[1]));
        const std::size_t size = to_number(arguments[2]);
        try {
            const Exchange* exchange = exchange_of(arguments[0]);
            if (exchange == nullptr || size < kTsrMinHeader) return none();
            const TsrHeader header = decode_tsr_header(memory, size, size, {});
            if (is_unusual(header.dtype)) return none();
            unsigned char* data = memory + header.header_bytes;
            const Tensor tensor = is_none(arguments[3])
                                      ? Tensor::from_data(data, header.shape, header.dtype)
                                      : Tensor::from_storage(memory_of(arguments[3], data), header.shape, header.dtype);
            void* made = nullptr;
            if (exchange->to_python(dlpack::to_dlpack_versioned(tensor).release(), &made) != 0) throw Raised{};
            return checked(static_cast<PyObject*>(made));
        } catch (const Raised&) {
            PyErr_Clear();
        } catch (const InputError&) {
        }
        return none();  // as above
    });
}

PyObject* write_tensor(PyObject*, Arguments arguments, Py_ssize_t count) {
    return answer(PyExc_TypeError, PyExc_TypeError, [&] {
        require_count(count, 4);
        auto* memory = reinterpret_cast<unsigned char*>(to_number(arguments[2]));
        const std::size_t size = to_number(arguments[3]);
        bool written = false;
        with_view(arguments, [&](const TensorView& view) { written = write(view, memory, size); });
        return PyBool_FromLong(written);
    });
}

PyObject* describe_tensor(PyObject*, Arguments arguments, Py_ssize_t count) {
    return answer(PyExc_TypeError, PyExc_TypeError, [&] {
        require_count(count, 2);
        std::optional<TensorView> found;
        with_view(arguments, [&](const TensorView& view) { found = view; });
        if (!found) return none();
        const auto header = encode_tsr_header(found->dtype(), found->shape());
        Ref told(PyTuple_New(3));
        PyTuple_SetItem(told.get(), 0, bytes({reinterpret_cast<const char*>(header.data()), header.size()}));
        PyTuple_SetItem(told.get(), 1, number(reinterpret_cast<std::uintptr_t>(found->data())));
        PyTuple_SetItem(told.get(), 2, number(found->nbytes()));
        return told.release();
    });
}

}  // namespace tr::python

#endif
