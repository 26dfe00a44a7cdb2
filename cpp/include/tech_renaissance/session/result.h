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
    /// All tensors, in their order, those of lists among them. With a name: those of that list, of any length.
    std::vector<Tensor> tensors() const;
    const std::vector<Tensor>& tensors(const std::string& name) const;
    const std::vector<Tensor>& tensors(std::size_t index) const;
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
    /// A list of tensors.
    bool is_list(std::size_t index) const;
    /// Of all results, in their order.
    std::vector<std::string> names() const;

  private:
    friend class ResultMaker;
    using Content = std::variant<Tensor, Value, std::vector<Tensor>>;
    struct Item {
        std::string name;
        Content content;
    };
    static bool holds_tensor(const Content& content) { return std::holds_alternative<Tensor>(content); }
    static bool holds_value(const Content& content) { return std::holds_alternative<Value>(content); }
    static bool holds_text(const Content& content) {
        return holds_value(content) && std::get<Value>(content).is_text();
    }
    static std::string kind_of(const Content& content);
    const Item& named(const std::string& name) const;
    const Item& at(std::size_t index) const;
    const Tensor& tensor_of(const Item& item) const;
    const Value& value_of(const Item& item) const;
    const std::vector<Tensor>& list_of(const Item& item) const;
    std::string found() const;
    template <class Kind>
    const Item& only(const char* wanted, const Kind& is_of_kind) const;

    std::string command_{};
    std::string text_{};
    bool declared_ = false;
    std::vector<Item> items_{};
};

}  // namespace tr
