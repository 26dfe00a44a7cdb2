#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/endpoints.h"
#include "tech_renaissance/data/tensor_view.h"
#include "tech_renaissance/protocol/value.h"

namespace tr::protocol {

/// One argument of a call, as its caller gives it.
struct Given {
    std::string_view name;         ///< empty: by its position
    const Value* value = nullptr;  ///< null: tensors
    std::size_t first = 0;         ///< which of the call's tensors
    std::size_t count = 0;
    bool in_list = false;  ///< a list of tensors, of any length
};

/// What goes out for a call.
struct CallPlan {
    std::vector<std::size_t> order;  ///< which tensors, in the order in which they go; empty: all, as they are
    std::string names;               ///< `names` of the request
    std::string arguments;           ///< `arguments` of the request, sound JSON; empty for none
};

/// Binds arguments to the inputs of an endpoint, and checks them.
/// @param sizes of the endpoint; what the inputs tell of its symbols is in it afterwards. It refers to the endpoint.
/// @throws InputError that says which of them is wrong
CallPlan plan_call(const Endpoint& endpoint, const std::vector<Given>& given, const std::vector<TensorView>& tensors,
                   Sizes& sizes);
/// The same for a command of which nothing is known: tensors go in order, values have to be named.
CallPlan plan_call(std::string_view command, const std::vector<Given>& given, const std::vector<TensorView>& tensors);

/// A tensor of this name is one of the list that is an output: `masks.0` of `masks`.
bool is_in_list(std::string_view output, std::string_view name);

/// Checks one tensor of an answer.
/// @param name of the output, or that of one tensor of a list
/// @throws RemoteError when it is not what the endpoint has declared
void check_result(const Endpoint& endpoint, std::string_view name, const TensorView& tensor, Sizes& sizes);

}  // namespace tr::protocol
