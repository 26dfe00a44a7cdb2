#pragma once

#include <complex>
#include <cstdint>
#include <string>

namespace tr {

/// Numbers as text, whatever locale the program has set. NaN is "nan" with either sign.

/// The fewest digits that read back as the same value of the type: "1.5", "1e-05", "inf".
std::string number_text(double value);
std::string number_text(float value);
/// "1+2j", "0-1.5j".
std::string number_text(std::complex<double> value);
std::string number_text(std::complex<float> value);
std::string number_text(std::int64_t value);
std::string number_text(std::uint64_t value);
/// "True" or "False", as in PyTorch's notation.
std::string number_text(bool value);

/// Like Python's "%.<digits>f" and "%.<digits>e".
std::string fixed_text(double value, int digits);
std::string scientific_text(double value, int digits);

}  // namespace tr
