#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tech_renaissance/export.h"
#include "tech_renaissance/protocol/value.h"

namespace tr {

/// One thing that a server offers, as it says it; from PythonSession::endpoints().
struct TR_API Endpoint {
    struct Input {
        std::string name;
        std::string type;               ///< on one line: `float32 "b 3 h w"`, `int`, `list[str]`, `tensor or None`
        bool required = true;           ///< it has to be given
        std::optional<Value> preset{};  ///< what it is otherwise, where that has a form in JSON
        bool by_name = false;           ///< it can be given by name alone
    };
    struct Output {
        std::string name;
        std::string type;
    };
    std::string name;
    std::string doc;      ///< the first line of its docstring
    bool stream = false;  ///< it answers in parts: PythonSession::stream()
    bool open = false;    ///< it takes named values that are not among its inputs
    std::vector<Input> inputs;
    std::vector<Output> outputs;  ///< of a stream those of each part
};

}  // namespace tr
