#include "protocol/dims.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace tr::protocol {
namespace {

/// A name as Python has it; one beyond ASCII counts as such.
bool is_name(std::string_view text) {
    const auto letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
    };
    return !text.empty() && letter(text.front()) &&
           std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::optional<std::int64_t> number_of(std::string_view text) {
    std::int64_t number = 0;
    constexpr std::size_t kDigits = 18;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (text.empty() || text.size() > kDigits || !std::all_of(text.begin(), text.end(), is_digit)) return std::nullopt;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::vector<std::string_view> words_of(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    std::vector<std::string_view> words;
    for (auto first = text.find_first_not_of(kBlank); first != std::string_view::npos;) {
        const auto end = std::min(text.find_first_of(kBlank, first), text.size());
        words.push_back(text.substr(first, end - first));
        first = text.find_first_not_of(kBlank, end);
    }
    return words;
}

}  // namespace

std::size_t Symbols::number_of(std::string_view name) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
    names_.emplace_back(name);
    return names_.size() - 1;
}

// ---------------------------------------------------------------------------------------------------------- reading

std::optional<Dims> Dims::parse(std::string_view text, Symbols& symbols) {
    Dims dims;
    for (const auto part : words_of(text)) {
        dims.text_.append(dims.text_.empty() ? "" : " ").append(part);
        auto word = read(part, symbols);
        if (!word || (word->kind == Kind::several && dims.several_)) return std::nullopt;
        if (word->kind == Kind::several) {
            dims.before_ = dims.words_.size();
            dims.several_ = std::move(*word);
        } else {
            dims.words_.push_back(std::move(*word));
        }
    }
    return dims;
}

std::optional<Dims::Word> Dims::read(std::string_view text, Symbols& symbols) {
    Word word;
    if (const auto number = number_of(text)) {
        word.kind = Kind::size;
        word.number = *number;
        return word;
    }
    if (text == "...") {
        word.kind = Kind::several;
        return word;
    }
    const char sign = text.front();
    const auto name = sign == '*' || sign == '#' ? text.substr(1) : text;
    if (!is_name(name)) return read_operation(text, symbols);
    word.kind = sign == '*' ? Kind::several : sign == '#' ? Kind::broad : sign == '_' ? Kind::any : Kind::name;
    if (word.kind == Kind::any) return word;
    word.name = name;
    // `*b` and `b` are two symbols.
    word.symbol = symbols.number_of(word.kind == Kind::several ? text : name);
    return word;
}

std::optional<Dims::Word> Dims::read_operation(std::string_view text, Symbols& symbols) {
    const auto place = text.find_first_of("+-*");
    if (place == std::string_view::npos) return std::nullopt;
    auto name = text.substr(0, place);
    auto digits = text.substr(place + 1);
    if (text[place] == '*' && number_of(name)) std::swap(name, digits);
    const auto number = number_of(digits);
    if (!is_name(name) || !number) return std::nullopt;
    const Kind kind = text[place] == '+' ? Kind::plus : text[place] == '-' ? Kind::minus : Kind::times;
    return Word{kind, std::string(name), symbols.number_of(name), *number};
}

// --------------------------------------------------------------------------------------------------------- checking

std::string Dims::mismatch(const Shape& shape, Sizes& sizes, std::string_view owner) const {
    const std::size_t rank = shape.rank();
    const std::size_t count = words_.size();
    if (rank < count || (rank > count && !several_))
        return "shape " + shape.to_string() + ": expected " + (several_ ? "at least " : "") + std::to_string(count) +
               " dims, \"" + text_ + "\"";
    const std::size_t extra = rank - count;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t place = several_ && i >= before_ ? i + extra : i;
        auto reason = mismatch_at(shape, place, words_[i], sizes, owner);
        if (!reason.empty()) return reason;
    }
    return several_ && !several_->name.empty() ? several(shape, before_, extra, sizes, owner) : "";
}

std::string Dims::mismatch_at(const Shape& shape, std::size_t place, const Word& word, Sizes& sizes,
                              std::string_view owner) const {
    const std::int64_t size = shape.begin()[place];
    if (word.kind == Kind::any) return {};
    if (word.kind == Kind::size) {
        if (size == word.number) return {};
        return "shape " + shape.to_string() + ": expected \"" + text_ + "\", which has " + std::to_string(word.number) +
               " at dim " + std::to_string(place);
    }
    auto& known = sizes[word.symbol];
    if (word.kind == Kind::name && !known.is_known) {
        known.is_known = true;
        known.owner = owner;
        known.size = size;
    }
    if (!known.is_known || (word.kind == Kind::broad && size == 1)) return {};
    if (word.kind != Kind::name && word.kind != Kind::broad) return derived(shape, place, word, known);
    return size == known.size ? "" : differs(shape, place, word, known);
}

std::string Dims::derived(const Shape& shape, std::size_t place, const Word& word, const Sizes::Known& known) const {
    // Without a sign, so that it may overflow: what the peer's text says is not known to be sensible.
    const auto left = static_cast<std::uint64_t>(known.size);
    const auto right = static_cast<std::uint64_t>(word.number);
    const auto expected = static_cast<std::int64_t>(word.kind == Kind::plus    ? left + right
                                                    : word.kind == Kind::minus ? left - right
                                                                               : left * right);
    if (shape.begin()[place] == expected) return {};
    const std::string number = std::to_string(word.number);
    const std::string sign = word.kind == Kind::times  ? number + "*" + word.name
                             : word.kind == Kind::plus ? word.name + "+" + number
                                                       : word.name + "-" + number;
    return "shape " + shape.to_string() + ": expected \"" + text_ + "\", which has " + sign + " = " +
           std::to_string(expected) + " at dim " + std::to_string(place) + ", as " + std::string(known.owner) +
           " has " + word.name + " = " + std::to_string(known.size);
}

std::string Dims::differs(const Shape& shape, std::size_t place, const Word& word, const Sizes::Known& known) const {
    return "shape " + shape.to_string() + ", " + std::to_string(shape.begin()[place]) + " at dim " +
           std::to_string(place) + ": expected \"" + text_ + "\", and " + std::string(known.owner) + " has " +
           word.name + " = " + std::to_string(known.size);
}

std::string Dims::several(const Shape& shape, std::size_t first, std::size_t count, Sizes& sizes,
                          std::string_view owner) const {
    const Shape found(shape.begin() + first, count);
    auto& known = sizes[several_->symbol];
    if (!std::exchange(known.is_known, true)) {
        known.owner = owner;
        known.several = found;
    }
    if (known.several == found) return {};
    return "shape " + shape.to_string() + ": expected \"" + text_ + "\", and " + std::string(known.owner) + " has " +
           known.several.to_string() + " for *" + several_->name + ", not " + found.to_string();
}

}  // namespace tr::protocol
