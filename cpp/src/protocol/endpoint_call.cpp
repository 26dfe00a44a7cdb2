#include "protocol/endpoint_call.h"

#include <algorithm>
#include <utility>

#include "data/dtype_names.h"
#include "protocol/json_object.h"
#include "protocol/names.h"
#include "protocol/value_text.h"
#include "protocol/words.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr::protocol {
namespace {

constexpr int kMostDeep = kMaxDepth - 2;  ///< of an argument, which stands in the arguments of a request

/// What is sent, put together.
class Planner {
  public:
    explicit Planner(std::size_t tensors) { order_.reserve(tensors); }

    void add(const Given& given, std::string_view name = {}) {
        for (std::size_t i = 0; i < given.count; ++i) add(given.first + i, name);
    }
    void add(std::size_t tensor, std::string_view name) {
        if (!name.empty()) {
            const std::string text(name);
            require_tag(text, "the name of a tensor");
            names_.append(names_.empty() ? "" : " ").append(input_tag(order_.size())).append(" ").append(text);
        }
        order_.push_back(tensor);
    }
    void add(std::string_view name, const Value& value) {
        arguments_ += arguments_.empty() ? '{' : ',';
        append_quoted(arguments_, name);
        arguments_ += ':';
        append_json(arguments_, value, kMostDeep);
    }
    CallPlan take(std::size_t tensors) {
        CallPlan plan;
        const bool as_they_are = order_.size() == tensors && std::is_sorted(order_.begin(), order_.end());
        if (!as_they_are) plan.order = std::move(order_);
        plan.names = std::move(names_);
        plan.arguments = std::move(arguments_);
        if (!plan.arguments.empty()) plan.arguments += '}';
        return plan;
    }

  private:
    std::vector<std::size_t> order_;
    std::string names_;
    std::string arguments_;
};

/// Which arguments are for which input.
class Binding {
  public:
    Binding(const Endpoint& endpoint, const std::vector<Given>& given, const std::vector<TensorView>& tensors)
        : endpoint_(endpoint), given_(given), tensors_(tensors), bound_(endpoint.inputs.size()) {
        std::size_t next = 0;
        for (const auto& one : given) {
            if (one.name.empty())
                bind_next(next, one);
            else
                bind_named(one);
        }
    }

    CallPlan plan(Sizes& sizes) {
        Planner planner(tensors_.size());
        bool left_out = false;  // before this one, so that a tensor without a name would be taken for that
        for (std::size_t i = 0; i < bound_.size(); ++i) {
            const Input& input = endpoint_.inputs[i];
            const auto& bound = bound_[i];
            const bool is_there = !bound.empty() && !is_nothing(input, *bound.front());
            if (!is_there && input.required) throw_missing(input);
            if (is_there && bound.front()->value == nullptr)
                add_tensors(planner, input, bound, sizes, left_out);
            else if (is_there)
                add_value(planner, input, *bound.front());
            if (!is_there || bound.front()->value != nullptr) left_out = left_out || input.takes_tensors();
        }
        for (const Given* extra : extra_) {
            if (extra->value != nullptr)
                planner.add(extra->name, *extra->value);
            else
                planner.add(*extra, extra->name);
        }
        return planner.take(tensors_.size());
    }

  private:
    using Bound = std::vector<const Given*>;

    std::string where(std::string_view name) const { return endpoint_.name + ": " + std::string(name); }
    std::string takes() const {
        const auto names = endpoint_.input_names();
        return names.empty() ? "It takes nothing" : "It takes " + listed(names);
    }

    void bind_next(std::size_t& next, const Given& one) {
        const auto& inputs = endpoint_.inputs;
        while (next < inputs.size() && inputs[next].by_name) ++next;
        if (next == inputs.size()) throw_too_many();
        auto& bound = bound_[next];
        // One that takes any number keeps its turn.
        const bool many = inputs[next].type.is_tensors() && one.value == nullptr && !one.in_list;
        if (!bound.empty() && !(many && bound.back()->name.empty())) throw_twice(inputs[next].name);
        bound.push_back(&one);
        if (!many) ++next;
    }
    void bind_named(const Given& one) {
        const auto& inputs = endpoint_.inputs;
        const auto found =
            std::find_if(inputs.begin(), inputs.end(), [&](const Input& input) { return input.name == one.name; });
        if (found == inputs.end()) {
            if (!endpoint_.open) throw_unknown(one.name);
            const bool twice =
                std::any_of(extra_.begin(), extra_.end(), [&](const Given* it) { return it->name == one.name; });
            if (twice) throw_twice(one.name);
            if (one.in_list) throw_list(one, one.name, "a tensor or a value");
            return extra_.push_back(&one);
        }
        auto& bound = bound_[static_cast<std::size_t>(found - inputs.begin())];
        if (!bound.empty()) throw_twice(one.name);
        bound.push_back(&one);
    }

    /// None, for a tensor that may be left out; no tensor, for one that takes any number.
    static bool is_nothing(const Input& input, const Given& given) {
        if (given.value == nullptr) return false;
        const Value& value = *given.value;
        return (!input.required && value.is_null() && (input.type.is_tensor() || input.type.is_tensors())) ||
               (input.type.is_tensors() && value.is_list() && value.size() == 0);
    }

    void add_tensors(Planner& planner, const Input& input, const Bound& bound, Sizes& sizes, bool named) {
        const bool many = input.type.is_tensors();
        if (!input.takes_tensors()) throw_tensor(input, *bound.front());
        if (many && named)
            throw InputError(where(input.name) +
                             " takes all tensors that are left: expected one for each input before it");
        if (!many && bound.front()->in_list) throw_list(*bound.front(), input.name, expected(input.type));
        for (const Given* one : bound) {
            for (std::size_t i = 0; i < one->count; ++i)
                check_tensor(input.type.tensor(), tensors_[one->first + i], sizes, endpoint_.name, input.name);
            planner.add(*one, named && !many ? std::string_view(input.name) : std::string_view());
        }
    }
    void add_value(Planner& planner, const Input& input, const Given& one) {
        if (input.type.is_tensor() || input.type.is_tensors())
            throw InputError(where(input.name) + " is " + short_text(*one.value) + ": expected " +
                             (input.type.is_tensor() ? "a tensor, " : "tensors, ") + to_text(input.type));
        check_value(input.type, *one.value, endpoint_.name, input.name);
        planner.add(input.name, *one.value);
    }

    [[noreturn]] void throw_too_many() const {
        const auto by_position = std::count_if(endpoint_.inputs.begin(), endpoint_.inputs.end(),
                                               [](const Input& it) { return !it.by_name; });
        const auto found = std::count_if(given_.begin(), given_.end(), [](const Given& it) { return it.name.empty(); });
        throw InputError(endpoint_.name + " takes " + std::to_string(by_position) +
                         (by_position == 1 ? " argument" : " arguments") + " without a name, found " +
                         std::to_string(found) + ". " + takes());
    }
    [[noreturn]] void throw_twice(std::string_view name) const { throw InputError(where(name) + " is given twice"); }
    [[noreturn]] void throw_unknown(std::string_view name) const {
        throw InputError(endpoint_.name + ": there is no input '" + std::string(name) +
                         "': " + did_you_mean(name, endpoint_.input_names()) + takes());
    }
    [[noreturn]] void throw_missing(const Input& input) const {
        throw InputError(
            where(input.name) + " is missing: expected " +
            (input.type.is_tensor() || input.type.is_tensors() ? to_text(input.type) : expected(input.type)));
    }
    [[noreturn]] void throw_tensor(const Input& input, const Given& one) const {
        if (one.in_list) throw_list(one, input.name, expected(input.type));
        const auto& tensor = tensors_[one.first];
        throw InputError(where(input.name) + " is a tensor, " + python_name(tensor.dtype()) + " of shape " +
                         tensor.shape().to_string() + ": expected " + expected(input.type));
    }
    [[noreturn]] void throw_list(const Given& one, std::string_view name, const std::string& wanted) const {
        throw InputError(where(name) + " is a list of " + std::to_string(one.count) + " tensors: expected " + wanted);
    }

    const Endpoint& endpoint_;
    const std::vector<Given>& given_;
    const std::vector<TensorView>& tensors_;
    std::vector<Bound> bound_;  ///< to each input
    Bound extra_;               ///< of an open endpoint
};

}  // namespace

CallPlan plan_call(const Endpoint& endpoint, const std::vector<Given>& given, const std::vector<TensorView>& tensors,
                   Sizes& sizes) {
    return Binding(endpoint, given, tensors).plan(sizes);
}

CallPlan plan_call(std::string_view command, const std::vector<Given>& given, const std::vector<TensorView>& tensors) {
    const std::string name(command.substr(0, command.find(' ')));
    Planner planner(tensors.size());
    for (auto one = given.begin(); one != given.end(); ++one) {
        if (one->value != nullptr && one->name.empty())
            throw InputError("'" + name + "' cannot be sent " + short_text(*one->value) +
                             " without a name: its server does not say what it takes, so values need names, "
                             "{\"radius\", 5}");
        const auto is_it = [&](const Given& other) { return !one->name.empty() && other.name == one->name; };
        if (std::any_of(given.begin(), one, is_it))
            throw InputError(name + ": " + std::string(one->name) + " is given twice");
        if (one->value != nullptr)
            planner.add(one->name, *one->value);
        else if (one->in_list && !one->name.empty())
            throw InputError(name + ": " + std::string(one->name) + " is a list of " + std::to_string(one->count) +
                             " tensors: expected one for each name, as its server does not say what it takes");
        else
            planner.add(*one, one->name);
    }
    return planner.take(tensors.size());
}

bool is_in_list(std::string_view output, std::string_view name) {
    const std::size_t size = output.size();
    return name.size() > size + 1 && name.substr(0, size) == output && name[size] == '.';
}

void check_result(const Endpoint& endpoint, std::string_view name, const TensorView& tensor, Sizes& sizes) {
    for (const auto& output : endpoint.outputs) {
        if (output.name != name && !(output.type.is_tensors() && is_in_list(output.name, name))) continue;
        try {
            return check_tensor(output.type.tensor(), tensor, sizes, endpoint.name, output.name);
        } catch (const InputError& error) {
            throw RemoteError(std::string(error.what()) + ", as its server declares it");
        }
    }
}

}  // namespace tr::protocol
