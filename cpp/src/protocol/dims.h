#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tech_renaissance/data/shape.h"

namespace tr::protocol {

/// What is known of the symbols of an endpoint's shapes within one call. A symbol is a number: its place among those of
/// the endpoint.
class Sizes {
  public:
    struct Known {
        bool is_known = false;
        std::string_view owner{};  ///< the tensor that it is known from
        std::int64_t size = 0;
        Shape several{};  ///< of `*name`
    };
    explicit Sizes(std::size_t count) : known_(count) {}
    Known& operator[](std::size_t symbol) { return known_[symbol]; }

  private:
    std::vector<Known> known_;
};

/// The names of the symbols of one endpoint, while it is read.
class Symbols {
  public:
    std::size_t number_of(std::string_view name);
    std::size_t count() const { return names_.size(); }

  private:
    std::vector<std::string> names_;
};

/// What a shape has to be, "b 3 h w": `dims` in docs/protocol.md, section 3.
class Dims {
  public:
    /// @returns nothing for a text with words that this version does not know: the worker checks for itself
    static std::optional<Dims> parse(std::string_view text, Symbols& symbols);

    const std::string& text() const { return text_; }
    /// Why a shape is not as it has to be, empty when it is: "shape (2, 3): expected ...".
    /// @param sizes what is known of symbols; those of this shape that are new are added
    /// @param owner what the tensor is called; lives as long as `sizes`
    std::string mismatch(const Shape& shape, Sizes& sizes, std::string_view owner) const;

  private:
    enum class Kind { size, any, name, broad, plus, minus, times, several };
    struct Word {
        Kind kind = Kind::any;
        std::string name{};      ///< of the symbol
        std::size_t symbol = 0;  ///< its number
        std::int64_t number = 0;
    };
    static std::optional<Word> read(std::string_view text, Symbols& symbols);
    static std::optional<Word> read_operation(std::string_view text, Symbols& symbols);
    std::string mismatch_at(const Shape& shape, std::size_t place, const Word& word, Sizes& sizes,
                            std::string_view owner) const;
    std::string derived(const Shape& shape, std::size_t place, const Word& word, const Sizes::Known& known) const;
    std::string differs(const Shape& shape, std::size_t place, const Word& word, const Sizes::Known& known) const;
    std::string several(const Shape& shape, std::size_t first, std::size_t count, Sizes& sizes,
                        std::string_view owner) const;

    std::string text_;
    std::vector<Word> words_;  ///< without the one for any number of dims
    std::optional<Word> several_;
    std::size_t before_ = 0;  ///< how many words stand before that
};

}  // namespace tr::protocol
