#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "protocol/types.h"
#include "tech_renaissance/protocol/value.h"

namespace tr::protocol {

/// What a server offers, as its hello says it: docs/protocol.md, section 3.
struct Input {
    std::string name;
    Type type;
    bool required = true;
    bool by_name = false;  ///< it can be given by name alone
    std::optional<Value> preset{};

    /// A tensor without a name may be meant for it.
    bool takes_tensors() const { return type.is_tensor() || type.is_tensors() || type.kind == Type::Kind::any; }
};

struct Output {
    std::string name;
    Type type;
};

struct Endpoint {
    std::string name;
    std::string doc;
    bool stream = false;
    bool open = false;  ///< it takes named values that it does not declare
    std::vector<Input> inputs;
    std::vector<Output> outputs;
    std::size_t symbols = 0;  ///< how many names its dims have

    std::vector<std::string_view> input_names() const;
};

class Endpoints {
  public:
    Endpoints() = default;
    explicit Endpoints(std::vector<Endpoint> all, bool others = false);
    Endpoints(const Endpoints&) = delete;
    Endpoints& operator=(const Endpoints&) = delete;

    const std::vector<Endpoint>& all() const { return all_; }
    /// Null for a command that the server may know all the same, and which is sent as it is.
    /// @throws NotFoundError when there is none of this name, nor anything else that could serve it
    const Endpoint* find(std::string_view name) const;

  private:
    std::vector<Endpoint> all_;
    std::unordered_map<std::string_view, const Endpoint*> by_name_;
    bool others_ = true;
};

/// Their names, of any worker.
/// @throws InputError when 'endpoints' is no list of objects with names
std::vector<std::string> endpoint_names(const nlohmann::json& hello);
/// With what they take and give, of a worker that has the feature; of another one names say nothing.
/// @throws InputError when they are malformed
std::vector<Endpoint> parse_endpoints(const nlohmann::json& hello);

}  // namespace tr::protocol
