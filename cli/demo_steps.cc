#include "cli/demo_steps.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/base/signals.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <thread>

namespace paraclip::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kSteps = 5;
constexpr int kNotStarted = 127;

// Waits for a child, which a stop asked of this process reaches as well.
int wait_for(pid_t child) {
  bool told = false;
  for (;;) {
    int status = 0;
    const pid_t done = ::waitpid(child, &status, 0);
    if (done == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (done < 0 && errno != EINTR) return kNotStarted;
    if (stop_requested() && !told) ::kill(child, SIGTERM);
    told = stop_requested();
  }
}

int run_program(const std::vector<std::string>& arguments, const fs::path& output) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const std::string path = output.string();
  const pid_t child = ::fork();
  if (child < 0) return kNotStarted;
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // A demo that is killed leaves nothing running.
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0 || ::dup2(file, STDOUT_FILENO) < 0) ::_exit(kNotStarted);
    ::execv("/proc/self/exe", argv.data());
    ::_exit(kNotStarted);
  }
  return wait_for(child);
}

ErrorKind kind_of(int exit) {
  for (const ErrorKind kind : {ErrorKind::kUsage, ErrorKind::kData, ErrorKind::kNetwork,
                               ErrorKind::kNumeric, ErrorKind::kInterrupted}) {
    if (exit_code(kind) == exit) return kind;
  }
  return ErrorKind::kIo;
}

}  // namespace

DemoSteps::DemoSteps(fs::path output, bool quiet) : output_(std::move(output)), quiet_(quiet) {
  make_directories(output_ / "logs");
}

void DemoSteps::run(const std::string& name, const std::string& what,
                    const std::function<void()>& step) {
  log().info("[{}/{}] {}: {}", seconds_.size() + 1, kSteps, name, what);
  const auto started = std::chrono::steady_clock::now();
  step();
  seconds_[name] =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
}

void DemoSteps::command(const std::string& name, std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), "paraclip");
  if (quiet_) arguments.push_back("--quiet");
  const fs::path file = output_ / "logs" / (name + ".txt");
  const int exit = run_program(arguments, file);
  if (exit == 0) return;
  const ErrorKind kind = kind_of(exit);
  if (kind == ErrorKind::kInterrupted) {
    fail(kind, "interrupted; the same command goes on where it was");
  }
  fail(kind, "'{}' failed with exit code {}; what it printed is above and in {}",
       fmt::join(arguments, " "), exit, file.string());
}

Json DemoSteps::seconds() const {
  Json json = seconds_;
  double total = 0;
  for (const auto& [name, value] : seconds_.items()) total += value.get<double>();
  json["total"] = total;
  return json;
}

std::string machine_name() {
  const std::string cores = fmt::format("{} cores", std::thread::hardware_concurrency());
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return fmt::format("{}, {}", cores, line.substr(colon + 2));
    }
  }
  return cores;
}

}  // namespace paraclip::cli
