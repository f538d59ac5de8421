#pragma once

#include <filesystem>

namespace paraclip {

/// The GGUF model that scripts/setup fetched: in the folder that the environment variable
/// PARACLIP_MODEL_DIR names, else in models/ beside the program, else where it was at build time.
/// Throws kUsage, naming the places, if it is in none.
std::filesystem::path default_model_path();

}  // namespace paraclip
