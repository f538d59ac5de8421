#pragma once

#include "paraclip/base/error.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace paraclip::test {

/// Expects `call` to throw an Error of `kind` whose message has every one of `fragments`.
template <typename Call>
void expect_error(ErrorKind kind, std::initializer_list<std::string> fragments, Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    for (const std::string& fragment : fragments) {
      EXPECT_NE(std::string(error.what()).find(fragment), std::string::npos)
          << "no \"" << fragment << "\" in: " << error.what();
    }
    return;
  }
  ADD_FAILURE() << "nothing was thrown, expected: " << *fragments.begin();
}

}  // namespace paraclip::test
