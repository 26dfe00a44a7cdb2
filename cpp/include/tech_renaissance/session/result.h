#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/export.h"
#include "tech_renaissance/protocol/value.h"

namespace tr {

/// What an endpoint gives: tensors, values and texts, in the order in which it declares them, each with its name.
///
///     tr::Tensor image = session.call("blur", x, 5);      // where there is one tensor
///     auto found = session.call("classify", image);
///     found.text("label"), found.value("score").as_double(), found.tensor("mask")
///
/// One result that has no name is called "result". A result that is None is a null value. The errors of these methods
/// name what there is.
class TR_API Result {
  public:
    Result() = default;

    /// The one tensor. With a name, or a place among all results, that one.
    /// @throws InputError (each of these) where there is no such result, or not just one, or it is of another kind
    const Tensor& tensor() const;
    const Tensor& tensor(const std::string& name) const;
    const Tensor& tensor(std::size_t index) const;
    operator Tensor() const { return tensor(); }  // NOLINT(google-explicit-constructor): calls give tensors mostly
    /// The one result that is no tensor.
    const Value& value() const;
    const Value& value(const std::string& name) const;
    const Value& value(std::size_t index) const;
    /// The one text. Where there is no result, or the server declares none: the text that it answered with, mostly
    /// "ok".
    const std::string& text() const;
    const std::string& text(const std::string& name) const;
    const std::string& text(std::size_t index) const;

    /// The server declares what it gives.
    bool is_declared() const noexcept { return declared_; }
    std::size_t size() const noexcept { return items_.size(); }
    /// There is a result of this name, and it is not None.
    bool has(const std::string& name) const noexcept;
    bool is_tensor(std::size_t index) const;
    /// Of all results, in their order.
    std::vector<std::string> names() const;
    /// All tensors, in their order.
    std::vector<Tensor> tensors() const;

  private:
    friend class ResultMaker;
    struct Item {
        std::string name;
        std::variant<Tensor, Value> content;
    };
    const Item& named(const std::string& name) const;
    const Item& at(std::size_t index) const;
    const Tensor& tensor_of(const Item& item) const;
    const Value& value_of(const Item& item) const;
    std::string found() const;
    template <class Kind>
    const Item& only(const char* wanted, const Kind& is_of_kind) const;

    std::string command_{};
    std::string text_{};
    bool declared_ = false;
    std::vector<Item> items_{};
};

}  // namespace tr
