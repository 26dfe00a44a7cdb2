#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "data/dtype_names.h"
#include "data/number_text.h"
#include "data/visit_dtype.h"
#include "platform/quiet_floats.h"
#include "tech_renaissance/data/tensor.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

namespace {

constexpr int kMostDigits = 17;  // which tell any double from any other
// PyTorch's defaults.
constexpr std::int64_t kSummariseAbove = 1000;
constexpr std::int64_t kEdgeItems = 3;
constexpr std::size_t kLineWidth = 80;
constexpr std::size_t kPrefixWidth = 7;  // "tensor("

/// The numbers of one tensor have one width and one notation; this is where both are chosen.
class Column {
  public:
    Column(const std::vector<double>& values, int digits) : digits_(digits) {
        double least = std::numeric_limits<double>::infinity();
        double most = 0;
        for (const double value : values) {
            if (!counts(value)) continue;
            least = std::min(least, std::abs(value));
            most = std::max(most, std::abs(value));
            whole_ = whole_ && value == std::ceil(value);
        }
        scientific_ = most > 0 && (most / least > 1000.0 || most > 1.0e8 || least < 1.0e-4);
        for (const double value : values) {
            if (counts(value)) width_ = std::max(width_, text(value).size());
        }
    }

    std::size_t width() const { return width_; }
    std::string padded(double value) const {
        const std::string number = text(value);
        return std::string(width_ > number.size() ? width_ - number.size() : 0, ' ') + number;
    }

  private:
    static bool counts(double value) { return std::isfinite(value) && value != 0; }
    std::string text(double value) const {
        if (scientific_) return scientific_text(value, digits_);
        if (!whole_) return fixed_text(value, digits_);
        return fixed_text(value, 0) + (std::isfinite(value) ? "." : "");
    }

    int digits_;
    bool whole_ = true;
    bool scientific_ = false;
    std::size_t width_ = 1;
};

/// The shown part of a tensor: all of it, or the edges when it is large.
class Layout {
  public:
    explicit Layout(const Shape& shape, bool summarise) : shape_(shape), summarise_(summarise) {}

    bool cut(std::size_t axis) const { return summarise_ && size(axis) > 2 * kEdgeItems; }
    std::int64_t shown(std::size_t axis) const { return cut(axis) ? 2 * kEdgeItems : size(axis); }
    /// Position in the whole dimension of the shown item `i`.
    std::int64_t position(std::size_t axis, std::int64_t i) const {
        return cut(axis) && i >= kEdgeItems ? size(axis) - 2 * kEdgeItems + i : i;
    }
    /// Flat indices of the shown elements, in order.
    std::vector<std::int64_t> elements() const {
        std::vector<std::int64_t> flat{0};
        for (std::size_t axis = 0; axis < shape_.rank(); ++axis) {
            std::vector<std::int64_t> next;
            for (const std::int64_t outer : flat) {
                for (std::int64_t i = 0; i < shown(axis); ++i) next.push_back(outer * size(axis) + position(axis, i));
            }
            flat = std::move(next);
        }
        return flat;
    }
    /// Puts the texts of the shown elements into nested brackets.
    std::string render(const std::vector<std::string>& texts, std::size_t width) const {
        std::size_t next = 0;
        return shape_.rank() == 0 ? texts.front() : render(texts, width, 0, next);
    }

  private:
    std::int64_t size(std::size_t axis) const { return shape_.begin()[axis]; }

    std::string render(const std::vector<std::string>& texts, std::size_t width, std::size_t axis,
                       std::size_t& next) const {
        const std::size_t indent = kPrefixWidth + axis;
        const bool innermost = axis + 1 == shape_.rank();
        const std::size_t per_line = innermost ? std::max<std::size_t>(1, (kLineWidth - indent) / (width + 2)) : 1;
        const std::string new_line =
            "," + std::string(innermost ? 1 : shape_.rank() - axis - 1, '\n') + std::string(indent + 1, ' ');
        std::string text = "[";
        std::size_t items = 0;
        const auto add = [&](const std::string& item) {
            if (items > 0) text += items % per_line == 0 ? new_line : ", ";
            text += item;
            ++items;
        };
        for (std::int64_t i = 0; i < shown(axis); ++i) {
            if (cut(axis) && i == kEdgeItems) add(innermost ? " ..." : "...");
            add(innermost ? texts[next++] : render(texts, width, axis + 1, next));
        }
        return text + "]";
    }

    const Shape& shape_;
    bool summarise_;
};

/// Right-aligned integers and truth values.
template <class W>
std::size_t write_integers(const std::vector<W>& values, std::vector<std::string>& texts) {
    std::size_t width = 1;
    for (const W value : values) {
        texts.push_back(number_text(value));
        width = std::max(width, texts.back().size());
    }
    for (std::string& text : texts) text.insert(0, width - text.size(), ' ');
    return width;
}

std::size_t write_reals(const std::vector<double>& values, int digits, std::vector<std::string>& texts) {
    const Column column(values, digits);
    for (const double value : values) texts.push_back(column.padded(value));
    return column.width();
}

std::size_t write_complex(const std::vector<std::complex<double>>& values, int digits,
                          std::vector<std::string>& texts) {
    std::vector<double> reals;
    std::vector<double> imaginaries;
    for (const std::complex<double> value : values) {
        reals.push_back(value.real());
        imaginaries.push_back(value.imag());
    }
    const Column real_column(reals, digits);
    const Column imaginary_column(imaginaries, digits);
    for (std::size_t i = 0; i < values.size(); ++i) {
        std::string imaginary = imaginary_column.padded(imaginaries[i]);
        imaginary.erase(0, imaginary.find_first_not_of(' '));
        texts.push_back(real_column.padded(reals[i]) + (imaginary[0] == '-' ? "" : "+") + imaginary + "j");
    }
    return real_column.width() + imaginary_column.width() + 1;
}

/// The texts of the shown elements; gives the width that lines are broken by.
std::size_t write_elements(const TensorView& view, const std::vector<std::int64_t>& elements, int digits,
                           std::vector<std::string>& texts) {
    return visit_dtype(view.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        std::vector<Wide<T>> values;
        values.reserve(elements.size());
        for (const std::int64_t element : elements) values.push_back(load<T>(view.data(), element));
        if constexpr (is_complex_v<T>) {
            return write_complex(values, digits, texts);
        } else if constexpr (std::is_integral_v<T>) {
            return write_integers<Wide<T>>(values, texts);
        } else {
            return write_reals(values, digits, texts);
        }
    });
}

bool goes_without_saying(DType dtype, bool is_empty) {
    if (dtype == DType::FP32) return true;
    return !is_empty && (dtype == DType::INT64 || dtype == DType::BOOL || dtype == DType::COMPLEX64);
}

}  // namespace

std::string Tensor::to_string(int precision) const {
    const platform::QuietFloats quiet;
    if (precision < 0 || precision > kMostDigits)
        throw InputError("cannot print with " + std::to_string(precision) + " digits, expected 0 to " +
                         std::to_string(kMostDigits));
    if (!defined_) return "undefined";
    std::string text = "tensor(";
    std::vector<std::string> suffixes;
    if (numel_ == 0) {
        text += "[]";
        if (shape_.rank() != 1) suffixes.push_back("size=" + shape_.to_string());
    } else {
        const Layout layout(shape_, numel_ > kSummariseAbove);
        std::vector<std::string> texts;
        const std::size_t width = write_elements(*this, layout.elements(), precision, texts);
        text += layout.render(texts, width);
    }
    if (!goes_without_saying(dtype_, numel_ == 0))
        suffixes.push_back(std::string("dtype=torch.") + python_name(dtype_));

    const std::size_t line_start = text.rfind('\n');
    // PyTorch counts two more than the characters of a first line, and one more for the line feed of a later one.
    std::size_t column = line_start == std::string::npos ? text.size() + 2 : text.size() - line_start + 1;
    for (const std::string& suffix : suffixes) {
        if (column + suffix.size() + 2 > kLineWidth) {
            text += ",\n" + std::string(kPrefixWidth, ' ') + suffix;
            column = kPrefixWidth + suffix.size();
        } else {
            text += ", " + suffix;
            column += suffix.size() + 2;
        }
    }
    return text + ")";
}

}  // namespace tr
