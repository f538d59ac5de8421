#pragma once

#include "tests/support.h"

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

namespace paraclip::test {

/// What a finished program left behind.
struct Finished {
  int code = 0;        ///< Exit code, as a shell gives it.
  std::string output;  ///< Of stdout and stderr.
};

/// Runs a program with arguments, the first of `words` being its name.
inline Finished run_program(const std::vector<std::string>& words) {
  std::string command;
  for (const std::string& word : words) command += "'" + word + "' ";
  command += "2>&1";
  FILE* pipe = ::popen(command.c_str(), "r");
  Finished finished;
  std::array<char, 4096> buffer;
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    finished.output.append(buffer.data(), count);
  }
  const int status = ::pclose(pipe);
  finished.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

inline bool has_mpirun() { return run_program({"mpirun", "--version"}).code == 0; }

/// Runs a program in `ranks` processes of one thread each. Tests may run as root and on machines
/// with fewer cores than ranks, which Open MPI wants to be told.
inline Finished mpirun(int ranks, const std::vector<std::string>& words) {
  std::vector<std::string> command{"env",
                                   "OMPI_ALLOW_RUN_AS_ROOT=1",
                                   "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
                                   "OMP_NUM_THREADS=1",
                                   "OMPI_MCA_rmaps_base_oversubscribe=1",
                                   "OMPI_MCA_mpi_yield_when_idle=1",
                                   "mpirun",
                                   "--bind-to",
                                   "none",
                                   "-n",
                                   std::to_string(ranks)};
  command.insert(command.end(), words.begin(), words.end());
  return run_program(command);
}

/// The path of the running program.
inline std::string this_program() { return std::filesystem::canonical("/proc/self/exe").string(); }

}  // namespace paraclip::test

/// Skips the test where MPI is not installed.
#define PARACLIP_NEEDS_MPIRUN() \
  if (!paraclip::test::has_mpirun()) GTEST_SKIP() << "needs mpirun (Debian: openmpi-bin)"
