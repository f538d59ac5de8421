#include "paraclip/paraphrase/default_model.h"

#include "paraclip/base/error.h"

#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

namespace paraclip {

std::filesystem::path default_model_path() {
  namespace fs = std::filesystem;
  constexpr const char* kFile = "SmolLM2-135M-Instruct.Q4_1.gguf";
  std::vector<fs::path> folders;
  if (const char* folder = std::getenv("PARACLIP_MODEL_DIR")) {
    folders.emplace_back(folder);
  } else {
    std::error_code ignored;
    const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
    folders = {program.parent_path() / "models", PARACLIP_DEFAULT_MODEL_DIR};
  }
  std::string tried;
  for (const fs::path& folder : folders) {
    std::error_code ignored;
    if (fs::exists(folder / kFile, ignored)) return folder / kFile;
    tried += (tried.empty() ? "" : ", ") + folder.string();
  }
  fail(ErrorKind::kUsage,
       "the default model {} is not in {}; run scripts/setup, set PARACLIP_MODEL_DIR to its folder "
       "or name another model with --llm",
       kFile, tried);
}

}  // namespace paraclip
