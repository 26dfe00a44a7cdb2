#pragma once

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/export.h"
#include "tech_renaissance/protocol/value.h"
#include "tech_renaissance/worker/limit.h"

namespace tr {

namespace detail {

class EndpointArguments;

template <class T>
inline constexpr bool is_tensor_v = std::is_convertible_v<const T&, TensorView>;
template <class T>
inline constexpr bool is_tensors_v = false;
template <>
inline constexpr bool is_tensors_v<std::vector<Tensor>> = true;
template <>
inline constexpr bool is_tensors_v<std::vector<TensorView>> = true;
template <class T>
inline constexpr bool is_limit_v = std::is_same_v<T, Limit>;
template <class Rep, class Period>
inline constexpr bool is_limit_v<std::chrono::duration<Rep, Period>> = true;

template <class T>
constexpr void require_argument() {
    static_assert(is_tensor_v<T> || is_tensors_v<T> || std::is_convertible_v<const T&, Value>,
                  "call() takes tensors, std::vector of tensors, and what a tr::Value can be: numbers, bool, texts, "
                  "std::vector and std::map<std::string, ...> of these; make a tensor of anything else, with "
                  "Tensor::from_vector(values) or Tensor::from_data(values, shape)");
}

}  // namespace detail

/// An argument of PythonSession::call() and the name of the input that it is for: `{"radius", 5}`. A Tensor in it is
/// shared, a TensorView has to live as long as the call.
class NamedArgument {
  public:
    template <class T>
    NamedArgument(std::string name, const T& given) : name_(std::move(name)) {
        detail::require_argument<T>();
        if constexpr (std::is_same_v<T, Tensor> || std::is_same_v<T, TensorView> || detail::is_tensors_v<T>)
            content_ = given;
        else if constexpr (detail::is_tensor_v<T>)
            content_ = TensorView(given);
        else if constexpr (std::is_convertible_v<const T&, Value>)
            content_ = Value(given);
    }
    NamedArgument(std::string name, std::initializer_list<Value> list)
        : name_(std::move(name)), content_(Value(Value::List(list))) {}
    NamedArgument(std::string name, std::initializer_list<Value::Member> object)
        : name_(std::move(name)), content_(Value(Value::Object(object))) {}

    const std::string& name() const { return name_; }

  private:
    friend class detail::EndpointArguments;
    std::string name_;
    std::variant<Value, Tensor, TensorView, std::vector<Tensor>, std::vector<TensorView>> content_{};
};

namespace detail {

/// What is given to call(): arguments, and a limit among them. Refers to tensors for the time of the call; with `keep`
/// it shares them.
class EndpointArguments {
  public:
    struct Item {
        std::string name{};  ///< empty: by its position
        Value value{};
        bool is_value = true;
        std::size_t first = 0;  ///< which of the tensors, otherwise
        std::size_t count = 0;
        bool in_list = false;
    };
    enum class Keep { no, yes };

    explicit EndpointArguments(Keep keep) : keep_(keep == Keep::yes) {}
    EndpointArguments(EndpointArguments&&) = default;
    EndpointArguments& operator=(EndpointArguments&&) = default;
    EndpointArguments(const EndpointArguments&) = delete;
    EndpointArguments& operator=(const EndpointArguments&) = delete;

    template <class... Args>
    EndpointArguments& take(const Args&... args) {
        items_.reserve(items_.size() + sizeof...(Args));
        tensors_.reserve(tensors_.size() + sizeof...(Args));
        (take_one(args), ...);
        return *this;
    }
    template <class Named>
    EndpointArguments& take_named(const Named& named) {
        items_.reserve(items_.size() + named.size());
        tensors_.reserve(tensors_.size() + named.size());
        for (const auto& one : named) take_one(one);
        return *this;
    }
    template <class T>
    EndpointArguments& within(const T& limit) {
        static_assert(is_limit_v<T>,
                      "the limit of call() is a std::chrono::duration or a tr::Limit, as a plain number may be meant "
                      "for the endpoint: std::chrono::milliseconds(500)");
        if constexpr (is_limit_v<T>) limit_ = limit;
        return *this;
    }

    const std::vector<Item>& items() const { return items_; }
    const std::vector<TensorView>& tensors() const { return tensors_; }
    Limit limit() const { return limit_; }

  private:
    template <class T>
    void take_one(const T& given) {
        if constexpr (is_limit_v<T>) {
            limit_ = given;
        } else {
            require_argument<T>();
            add(Item(), given);
        }
    }
    void take_one(const std::vector<NamedArgument>& several) { take_named(several); }
    void take_one(const NamedArgument& named) {
        Item item;
        item.name = named.name_;
        std::visit([&](const auto& given) { add(std::move(item), given); }, named.content_);
    }
    template <class T>
    void add(Item item, const T& given) {
        item.is_value = !(is_tensor_v<T> || is_tensors_v<T>);
        item.first = tensors_.size();
        if constexpr (is_tensors_v<T>) {
            item.in_list = true;
            for (const auto& one : given) add_tensor(one);
        } else if constexpr (is_tensor_v<T>) {
            add_tensor(given);
        } else if constexpr (std::is_convertible_v<const T&, Value>) {
            item.value = given;
        }
        item.count = tensors_.size() - item.first;
        items_.push_back(std::move(item));
    }
    template <class T>
    void add_tensor(const T& tensor) {
        tensors_.push_back(tensor);
        if constexpr (std::is_same_v<T, Tensor>)
            if (keep_) kept_.push_back(tensor);
    }

    std::vector<Item> items_{};
    std::vector<TensorView> tensors_{};
    std::vector<Tensor> kept_{};
    Limit limit_{};
    bool keep_;
};

}  // namespace detail
}  // namespace tr
