#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/dims.h"
#include "tech_renaissance/data/tensor_view.h"
#include "tech_renaissance/protocol/value.h"

namespace tr::protocol {

struct Type;
/// A member of an object.
struct Field;

/// What one input or output of an endpoint may be, as a worker's hello says it: docs/protocol.md, section 3.
struct Type {
    enum class Kind {
        any,  ///< also what this version does not know: the worker checks for itself
        tensor,
        whole,
        number,
        boolean,
        text,
        none,
        list,
        dict,
        tuple,
        optional,
        choice,
        object
    };
    Kind kind = Kind::any;
    std::vector<DType> dtypes{};  ///< of a tensor; none: any
    std::optional<Dims> dims{};   ///< of a tensor; nothing: any
    std::string dims_text{};      ///< the same for people
    std::vector<Type> of{};       ///< of a list, dict or optional one, of a tuple one for each item
    std::vector<Value> values{};  ///< of a choice
    std::string name{};           ///< of an object
    std::vector<Field> fields{};  ///< of an object

    bool is_tensor() const { return kind == Kind::tensor || (kind == Kind::optional && of.front().is_tensor()); }
    /// Any number of tensors.
    bool is_tensors() const { return kind == Kind::list && of.front().is_tensor(); }
    /// That of each tensor.
    const Type& tensor() const { return kind == Kind::tensor || of.empty() ? *this : of.front().tensor(); }
};
struct Field {
    std::string name;
    Type type;
    bool required;
};

/// @param symbols of the endpoint, to which those of its dims are added
/// @throws InputError when it is no type
Type parse_type(const nlohmann::json& object, Symbols& symbols);
/// On one line: `float32 "b 3 h w"`, `list[int]`, `int or None`.
std::string to_text(const Type& type);

/// @param owner "blur"; and @p name "image", for messages; the name lives as long as `sizes`
/// @throws InputError when a tensor is none of this type
void check_tensor(const Type& type, const TensorView& tensor, Sizes& sizes, std::string_view owner,
                  std::string_view name);
/// @throws InputError when a value is none of this type
void check_value(const Type& type, const Value& value, std::string_view owner, std::string_view name);
/// "an int", "a list, list[int]".
std::string expected(const Type& type);

}  // namespace tr::protocol
