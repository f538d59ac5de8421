#pragma once

#include "paraclip/base/json.h"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace paraclip::cli {

/// The steps of the demo, one after the other: announces and times them, and runs commands of this
/// program as a user would.
class DemoSteps {
 public:
  /// Commands leave what they print in `output`/logs; `quiet` keeps their progress away.
  DemoSteps(std::filesystem::path output, bool quiet);

  /// Runs a step. Whatever it throws ends the demo.
  void run(const std::string& name, const std::string& what, const std::function<void()>& step);

  /// Runs `paraclip ARGUMENTS` as a process of its own, its results to logs/NAME.txt. Throws an
  /// error of the command's own kind if it fails, naming the command and the file.
  void command(const std::string& name, std::vector<std::string> arguments) const;

  /// The seconds of each step so far by its name, and "total".
  Json seconds() const;

 private:
  std::filesystem::path output_;
  bool quiet_;
  Json seconds_ = Json::object();
};

/// "2 cores, AMD EPYC", as far as the system tells.
std::string machine_name();

}  // namespace paraclip::cli
