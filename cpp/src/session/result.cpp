#include "tech_renaissance/session/result.h"

#include <algorithm>
#include <iterator>

#include "session/result_maker.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {
namespace {

constexpr const char* kOnly = "result";  ///< the name of one that has none
constexpr const char* kOk = "ok";        ///< the text of an answer that says nothing else

}  // namespace

// ---------------------------------------------------------------------------------------------------------- reading

std::string Result::kind_of(const Content& content) {
    if (holds_tensor(content)) return "a tensor";
    if (holds_value(content)) return to_string(std::get<Value>(content).kind());
    return "a list of " + std::to_string(std::get<std::vector<Tensor>>(content).size()) + " tensors";
}

std::string Result::found() const {
    std::string all;
    for (const auto& item : items_) {
        all.append(all.empty() ? "" : ", ").append(item.name).append(" (");
        all += kind_of(item.content) + ")";
    }
    return "'" + command_ + "' gave " + (all.empty() ? "nothing" : all);
}

template <class Kind>
const Result::Item& Result::only(const char* wanted, const Kind& is_of_kind) const {
    const auto is_it = [&](const Item& item) { return is_of_kind(item.content); };
    const auto first = std::find_if(items_.begin(), items_.end(), is_it);
    if (first != items_.end() && std::none_of(std::next(first), items_.end(), is_it)) return *first;
    throw InputError(found() + ": expected one " + wanted + (first == items_.end() ? "" : ", or a name"));
}

const Result::Item& Result::named(const std::string& name) const {
    const auto is_it = [&](const Item& item) { return item.name == name; };
    const auto found_it = std::find_if(items_.begin(), items_.end(), is_it);
    if (found_it == items_.end()) throw InputError(found() + ": there is no '" + name + "'");
    return *found_it;
}

const Result::Item& Result::at(std::size_t index) const {
    if (index < items_.size()) return items_[index];
    throw InputError(found() + ": there is no result " + std::to_string(index) + ", counted from 0");
}

const Tensor& Result::tensor_of(const Item& item) const {
    if (const auto* tensor = std::get_if<Tensor>(&item.content)) return *tensor;
    throw InputError(found() + ": '" + item.name + "' is no tensor, read it with " +
                     (holds_value(item.content) ? "value()" : "tensors()"));
}

const Value& Result::value_of(const Item& item) const {
    if (const auto* value = std::get_if<Value>(&item.content)) return *value;
    throw InputError(found() + ": '" + item.name + "' is " + kind_of(item.content) + ", read it with " +
                     (holds_tensor(item.content) ? "tensor()" : "tensors()"));
}

const std::vector<Tensor>& Result::list_of(const Item& item) const {
    if (const auto* tensors = std::get_if<std::vector<Tensor>>(&item.content)) return *tensors;
    throw InputError(found() + ": '" + item.name + "' is " + kind_of(item.content) + ", read it with " +
                     (holds_tensor(item.content) ? "tensor()" : "value()"));
}

const Tensor& Result::tensor() const {
    return std::get<Tensor>(only("tensor", holds_tensor).content);
}
const Tensor& Result::tensor(const std::string& name) const {
    return tensor_of(named(name));
}
const Tensor& Result::tensor(std::size_t index) const {
    return tensor_of(at(index));
}

const Value& Result::value() const {
    return std::get<Value>(only("value", holds_value).content);
}
const Value& Result::value(const std::string& name) const {
    return value_of(named(name));
}
const Value& Result::value(std::size_t index) const {
    return value_of(at(index));
}

const std::string& Result::text() const {
    if (!declared_ || items_.empty()) return text_;
    return std::get<Value>(only("text", holds_text).content).as_text();
}
const std::string& Result::text(const std::string& name) const {
    return value(name).as_text();
}
const std::string& Result::text(std::size_t index) const {
    return value(index).as_text();
}

bool Result::has(const std::string& name) const noexcept {
    return std::any_of(items_.begin(), items_.end(), [&](const Item& item) {
        return item.name == name && !(holds_value(item.content) && std::get<Value>(item.content).is_null());
    });
}

bool Result::is_tensor(std::size_t index) const {
    return holds_tensor(at(index).content);
}

bool Result::is_list(std::size_t index) const {
    return std::holds_alternative<std::vector<Tensor>>(at(index).content);
}

std::vector<std::string> Result::names() const {
    std::vector<std::string> names;
    for (const auto& item : items_) names.push_back(item.name);
    return names;
}

std::vector<Tensor> Result::tensors() const {
    std::vector<Tensor> tensors;
    for (const auto& item : items_) {
        if (const auto* tensor = std::get_if<Tensor>(&item.content)) tensors.push_back(*tensor);
        if (const auto* list = std::get_if<std::vector<Tensor>>(&item.content))
            tensors.insert(tensors.end(), list->begin(), list->end());
    }
    return tensors;
}
const std::vector<Tensor>& Result::tensors(const std::string& name) const {
    return list_of(named(name));
}
const std::vector<Tensor>& Result::tensors(std::size_t index) const {
    return list_of(at(index));
}

// ----------------------------------------------------------------------------------------------------------- making

Result ResultMaker::make(session::Answer answer, const protocol::Endpoint* endpoint, protocol::Sizes& sizes) {
    ResultMaker maker(std::move(answer));
    auto& result = maker.result_;
    result.command_ = maker.answer_.command;
    result.declared_ = endpoint != nullptr;
    if (endpoint != nullptr) {
        for (std::size_t i = 0; i < maker.answer_.tensors.size(); ++i)
            protocol::check_result(*endpoint, maker.name_of(i), maker.answer_.tensors[i], sizes);
        maker.take_declared(*endpoint);
    }
    maker.take_rest();
    result.text_ = std::move(maker.answer_.text);
    return std::move(maker.result_);
}

/// In the order of declaration. A text that is all that was given comes as that of the answer.
void ResultMaker::take_declared(const protocol::Endpoint& endpoint) {
    using Kind = protocol::Type::Kind;
    const bool nothing_else = answer_.tensors.empty() && answer_.values.is_null();
    for (const auto& output : endpoint.outputs) {
        const Kind kind = output.type.kind;
        const bool is_text = kind == Kind::text || (kind == Kind::any && answer_.text != kOk);
        if (output.type.is_tensors())
            take_list(output.name);
        else if (nothing_else && endpoint.outputs.size() == 1 && is_text)
            result_.items_.push_back({output.name, Value(answer_.text)});
        else if (!take(output.name) && kind != Kind::any)
            result_.items_.push_back({output.name, Value()});  // one that may be left out
    }
}

std::string ResultMaker::name_of(std::size_t tensor) const {
    const std::string name = answer_.names.empty() ? "" : answer_.names[tensor];
    if (!name.empty()) return name;
    return answer_.tensors.size() == 1 ? kOnly : std::string(kOnly) + "_" + std::to_string(tensor);
}

bool ResultMaker::take(const std::string& name) {
    for (std::size_t i = 0; i < answer_.tensors.size(); ++i) {
        if (name_of(i) != name) continue;
        result_.items_.push_back({name, answer_.tensors[i]});
        return true;
    }
    const Value* value = answer_.values.find(name);
    if (value != nullptr) result_.items_.push_back({name, *value});
    return value != nullptr;
}

/// Those called `name.0`, `name.1` and so on; there may be none.
void ResultMaker::take_list(const std::string& name) {
    std::vector<Tensor> list;
    for (std::size_t i = 0; i < answer_.tensors.size(); ++i) {
        if (!protocol::is_in_list(name, name_of(i))) continue;
        list.push_back(std::move(answer_.tensors[i]));
        in_lists_.push_back(i);
    }
    result_.items_.push_back({name, std::move(list)});
}

/// What is not among those that were declared.
void ResultMaker::take_rest() {
    auto& items = result_.items_;
    const std::size_t taken = items.size();
    const auto is_new = [&](const std::string& name) {
        const auto end = items.begin() + static_cast<std::ptrdiff_t>(taken);
        return std::none_of(items.begin(), end, [&](const auto& item) { return item.name == name; });
    };
    for (std::size_t i = 0; i < answer_.tensors.size(); ++i) {
        if (std::find(in_lists_.begin(), in_lists_.end(), i) != in_lists_.end()) continue;
        if (std::string name = name_of(i); is_new(name)) items.push_back({std::move(name), answer_.tensors[i]});
    }
    if (!answer_.values.is_object()) return;
    for (const auto& [name, value] : answer_.values.as_object())
        if (is_new(name)) items.push_back({name, value});
}

}  // namespace tr
