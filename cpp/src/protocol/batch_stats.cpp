#include "protocol/batch_stats.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "protocol/json_object.h"
#include "protocol/names.h"
#include "tech_renaissance/utils/tr_exception.h"

namespace tr {

std::uint64_t BatchStats::batches() const {
    std::uint64_t sum = 0;
    for (const auto& [size, count] : rows) sum += count;
    return sum;
}

double BatchStats::mean_rows() const {
    double sum = 0;
    for (const auto& [size, count] : rows) sum += static_cast<double>(size) * static_cast<double>(count);
    return rows.empty() ? 0 : sum / static_cast<double>(batches());
}

BatchStats& BatchStats::operator+=(const BatchStats& other) {
    for (const auto& [size, count] : other.rows) rows[size] += count;
    for (const auto& [reason, count] : other.closed) closed[reason] += count;
    calls += other.calls;
    failed += other.failed;
    return *this;
}

namespace protocol {
namespace {

using nlohmann::json;

std::uint64_t count_of(const json& found) {
    return found.is_number_unsigned() ? found.get<std::uint64_t>() : 0;
}

BatchStats read(const json& told) {
    BatchStats stats;
    const json sizes = told.value("rows", json::object());
    for (const auto& [size, count] : sizes.items()) {
        std::uint64_t rows = 0;
        const auto end = size.data() + size.size();
        if (std::from_chars(size.data(), end, rows).ptr == end) stats.rows[rows] = count_of(count);
    }
    const json reasons = told.value("closed", json::object());
    for (const auto& [reason, count] : reasons.items()) stats.closed[reason] = count_of(count);
    stats.calls = count_of(told.value("calls", json()));
    stats.failed = count_of(told.value("failed", json()));
    return stats;
}

}  // namespace

std::map<std::string, BatchStats> parse_batches(const std::string& text, std::uint64_t epoch) {
    std::map<std::string, BatchStats> found;
    try {
        const json object = parse_object(text, kBatchesFile);
        if (count_of(object.value("epoch", json())) != epoch) return found;
        const json all = object.value("batches", json::object());
        for (const auto& [name, told] : all.items())
            if (told.is_object()) found[name] = read(told);
    } catch (const InputError&) {
    } catch (const json::exception&) {  // something in it is of another kind
    }
    return found;
}

}  // namespace protocol
}  // namespace tr
