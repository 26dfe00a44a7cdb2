#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace tr::test {

/// Calls and gives the exception, for assertions on its text.
template <class Exception>
Exception expect_throw(const std::function<void()>& call) {
    try {
        call();
    } catch (const Exception& error) {
        return error;
    } catch (const std::exception& error) {
        ADD_FAILURE() << "another exception: " << error.what();
        return Exception("");
    }
    ADD_FAILURE() << "no exception";
    return Exception("");
}

inline testing::AssertionResult contains(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "'" << part << "' is not in: " << text;
}

}  // namespace tr::test
