#include "values.h"

#include <pybind11/stl.h>

#include <string>
#include <utility>

#include "bindings.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace py = pybind11;

namespace tr::python {
namespace {

constexpr int kMostDeep = 64;

[[noreturn]] void throw_unknown(const py::handle object, const std::string& where) {
    const std::string text = py::repr(object).cast<std::string>().substr(0, 200);
    throw InputError(where + " is " + text + ": expected a tensor, or a value that JSON can say");
}

/// Its bytes; those that are not UTF-8 are the halves of surrogate pairs that stand for them in Python.
std::string text_of(const py::handle object) {
    Py_ssize_t length = 0;
    const char* utf8 = PyUnicode_AsUTF8AndSize(object.ptr(), &length);
    if (utf8 != nullptr) return {utf8, static_cast<std::size_t>(length)};
    PyErr_Clear();
    auto* bytes = PyUnicode_AsEncodedString(object.ptr(), "utf-8", "surrogateescape");
    if (bytes == nullptr) {
        PyErr_Clear();
        throw InputError("a text has half a character: expected text that UTF-8 can say");
    }
    return py::reinterpret_steal<py::bytes>(bytes).cast<std::string>();
}

Value whole_number(const py::handle object, const std::string& where) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(object.ptr(), &overflow);
    if (overflow != 0)
        throw InputError(where + " is beyond 64 bits: expected a whole number from -2**63 up to 2**63-1");
    return Value(static_cast<std::int64_t>(number));
}

Value convert(const py::handle object, const std::string& where, int deep) {
    auto* const pointer = object.ptr();
    if (object.is_none()) return {};
    if (PyBool_Check(pointer) != 0) return Value(pointer == Py_True);
    if (PyLong_Check(pointer) != 0) return whole_number(object, where);
    if (PyFloat_Check(pointer) != 0) return Value(PyFloat_AS_DOUBLE(pointer));
    if (PyUnicode_Check(pointer) != 0) return Value(text_of(object));
    if (deep == 0) throw InputError(where + " is nested more than " + std::to_string(kMostDeep) + " deep");
    if (PyDict_Check(pointer) != 0) {
        Value::Object members;
        for (const auto& [key, item] : py::reinterpret_borrow<py::dict>(object)) {
            if (PyUnicode_Check(key.ptr()) == 0) throw_unknown(key, "a key of " + where);
            members.emplace_back(text_of(key), convert(item, where, deep - 1));
        }
        return Value(std::move(members));
    }
    if (PyList_Check(pointer) == 0 && PyTuple_Check(pointer) == 0) throw_unknown(object, where);
    Value::List items;
    for (const auto item : py::reinterpret_borrow<py::sequence>(object))
        items.push_back(convert(item, where, deep - 1));
    return Value(std::move(items));
}

}  // namespace

Value value_of(const py::handle object, const std::string& where) {
    try {
        return convert(object, where, kMostDeep);
    } catch (const InputError& error) {
        const std::string words = error.what();
        if (words.rfind(where, 0) == 0) throw;
        throw InputError(where + ": " + words);
    }
}

py::object object_of(const Value& value) {
    switch (value.kind()) {
        case Value::Kind::null:
            return py::none();
        case Value::Kind::boolean:
            return py::bool_(value.as_bool());
        case Value::Kind::whole:
            return py::int_(value.as_int());
        case Value::Kind::number:
            return py::float_(value.as_double());
        case Value::Kind::text:
            return text(value.as_text());
        case Value::Kind::list: {
            py::list items;
            for (const auto& item : value.as_list()) items.append(object_of(item));
            return std::move(items);
        }
        case Value::Kind::object: {
            py::dict members;
            for (const auto& [name, item] : value.as_object()) members[text(name)] = object_of(item);
            return std::move(members);
        }
    }
    return py::none();
}

py::tuple result_tuple(const Result& result) {
    py::list items;
    const auto names = result.names();
    for (std::size_t i = 0; i < names.size(); ++i) {
        py::object item;
        if (result.is_tensor(i))
            item = py::cast(result.tensor(i));
        else if (result.is_list(i))
            item = py::cast(result.tensors(i));
        else
            item = object_of(result.value(i));
        items.append(py::make_tuple(text(names[i]), item));
    }
    return py::make_tuple(result.is_declared(), result.is_declared() ? py::object(py::none()) : text(result.text()),
                          items);
}

py::dict batches_dict(const std::map<std::string, BatchStats>& batches) {
    py::dict found;
    for (const auto& [name, stats] : batches) {
        py::dict rows;
        py::dict closed;
        for (const auto& [size, count] : stats.rows) rows[py::int_(size)] = count;
        for (const auto& [reason, count] : stats.closed) closed[text(reason)] = count;
        found[text(name)] = py::dict(py::arg("rows") = rows, py::arg("closed") = closed, py::arg("calls") = stats.calls,
                                     py::arg("failed") = stats.failed);
    }
    return found;
}

}  // namespace tr::python
