#pragma once

#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "tests/support.h"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace paraclip {

inline const std::filesystem::path kGolden =
    std::filesystem::path(PARACLIP_SOURCE_DIR) / "tests/golden/clip/full";

/// What a run of the program gave.
struct Outcome {
  int code = 0;
  std::string out, err;
};

/// Runs of the program as a user would start them.
class Commands : public testing::Test {
 protected:
  Outcome run(const std::string& arguments) {
    const std::string command = fmt::format("{} {} >{} 2>{} </dev/null", test::program(), arguments,
                                            (folder / "out").string(), (folder / "err").string());
    const int status = std::system(command.c_str());
    return {WEXITSTATUS(status), read_file(folder / "out"), read_file(folder / "err")};
  }

  /// Runs what must fail with `code`, on one line that holds `parts`.
  void expect_failure(const std::string& what, const std::string& arguments, int code,
                      const std::vector<std::string>& parts) {
    const Outcome outcome = run(arguments + " --quiet");
    std::string line = outcome.err;
    for (const std::string& path : {folder.path().string() + "/", kGolden.string() + "/"}) {
      for (size_t at; (at = line.find(path)) != std::string::npos;) line.erase(at, path.size());
    }
    fmt::print("| {} | {} | `{}` |\n", what, outcome.code, line.substr(0, line.find('\n')));
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    for (const std::string& part : parts) {
      EXPECT_NE(outcome.err.find(part), std::string::npos) << part << " in: " << outcome.err;
    }
  }

  std::string train(const std::string& output, int epochs = 1) const {
    return fmt::format(
        "train --model {0}/model --triples {0}/triples.jsonl --image-embeddings {0}/embeddings "
        "--batch-size 4 --epochs {2} --threads 1 -o {1}",
        kGolden.string(), (folder / output).string(), epochs);
  }

  std::filesystem::path copy_of_model() const {
    const std::filesystem::path copy = folder / "model";
    std::filesystem::copy(kGolden / "model", copy, std::filesystem::copy_options::recursive);
    return copy;
  }

  test::TemporaryFolder folder;
};

}  // namespace paraclip
