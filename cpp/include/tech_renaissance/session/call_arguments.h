#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/export.h"
#include "tech_renaissance/worker/limit.h"

namespace tr {

/// A tensor, or a view of one, and the name under which the server finds it. A name is spelled as a tag: 1 to 128
/// letters, digits, '_', '-' or '.', the first of them a letter, digit or '_'. One with an empty name has none.
using NamedTensor = std::pair<std::string, Tensor>;
using NamedView = std::pair<std::string, TensorView>;

namespace detail {

/// What stands behind the command in a calculate(): tensors, and at the end a limit. For the time of that call.
class CallArguments {
  public:
    template <class... Args>
    explicit CallArguments(const Args&... args) {
        own_.reserve(sizeof...(Args));
        (take(args), ...);
    }
    CallArguments(const std::vector<TensorView>& tensors, Limit limit) : limit_(limit), tensors_(&tensors) {}
    CallArguments(const CallArguments&) = delete;
    CallArguments& operator=(const CallArguments&) = delete;

    const std::vector<TensorView>& tensors() const { return *tensors_; }
    /// Of each of them, empty for one without; none at all where no tensor has one.
    const std::vector<std::string>& names() const { return names_; }
    Limit limit() const { return limit_; }
    /// The limit is a plain number, which may have been meant for the command.
    bool number_at_end() const { return number_at_end_; }

  private:
    void take(const TensorView& tensor) {
        own_.push_back(tensor);
        if (!names_.empty()) names_.emplace_back();
    }
    void take(const std::string& name, const TensorView& tensor) {
        if (name.empty()) return take(tensor);
        names_.resize(own_.size());
        names_.push_back(name);
        own_.push_back(tensor);
    }
    template <class Item>
    void take(const std::vector<Item>& more) {
        if constexpr (std::is_same_v<Item, Tensor> || std::is_same_v<Item, TensorView>) {
            for (const auto& tensor : more) take(tensor);
        } else if constexpr (std::is_same_v<Item, NamedTensor> || std::is_same_v<Item, NamedView>) {
            for (const auto& [name, tensor] : more) take(name, tensor);
        } else {
            refuse<Item>();
        }
    }
    template <class Item>
    void take(const std::map<std::string, Item>& more) {
        for (const auto& [name, tensor] : more) take(name, tensor);
    }
    void take(const NamedTensor& one) { take(one.first, one.second); }
    void take(const NamedView& one) { take(one.first, one.second); }
    void take(Limit given) { limit_ = given; }
    template <class Rep, class Period>
    void take(std::chrono::duration<Rep, Period> given) {
        limit_ = given;
    }
    template <class T, std::enable_if_t<!std::is_convertible_v<const T&, TensorView>, int> = 0>
    void take(const T& value) {
        constexpr bool is_number = std::is_arithmetic_v<T>;
        constexpr bool is_limit = std::is_integral_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char>;
        static_assert(is_limit || !is_number,
                      "a number at the end of calculate() is its limit, in whole milliseconds: a scalar for the "
                      "command goes into its text, as in \"torch.pow 2.5\", or in as a tensor, "
                      "Tensor::full(Shape(), 2.5), which may have a name");
        if constexpr (!is_number) refuse<T>();
        if constexpr (is_limit) {
            limit_ = value;
            number_at_end_ = true;
        }
    }
    template <class T>
    static void refuse() {
        static_assert(std::is_void_v<T>,
                      "calculate() takes tensors: make one of it with Tensor::from_vector(values) or "
                      "Tensor::from_data(values, shape); texts go into the command, or as JSON into fetch_response()");
    }

    std::vector<TensorView> own_{};
    std::vector<std::string> names_{};
    Limit limit_{};
    bool number_at_end_ = false;
    const std::vector<TensorView>* tensors_ = &own_;
};

}  // namespace detail
}  // namespace tr
