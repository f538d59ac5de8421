#include "paraclip/paraphrase/llama_model.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/base/random.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <string_view>

namespace paraclip {
namespace {

constexpr uint32_t kMicroBatch = 128;  // Tokens computed at once. Results do not depend on it.

thread_local std::string last_complaint;

void forward_log(ggml_log_level level, const char* text, void*) {
  std::string_view line = text;
  while (!line.empty() && (line.back() == '\n' || line.back() == '.')) line.remove_suffix(1);
  if (line.empty()) return;
  if (level == GGML_LOG_LEVEL_ERROR) last_complaint = line;
  log().debug("llama.cpp: {}", line);
}

void initialize_llama() {
  static std::once_flag once;
  std::call_once(once, [] {
    // Of its two kernels for K-quants ggml takes one by the number of rows, and they round
    // differently: with one of them only, a row does not depend on its neighbours.
    ::setenv("GGML_CPU_TILED_MM", "0", /*overwrite=*/1);
    llama_log_set(forward_log, nullptr);
    llama_backend_init();
  });
}

// The name by which journals know the model: cheap, and different for different files.
std::string fingerprint(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  const std::string_view content = file->text();
  if (!content.starts_with("GGUF")) {
    fail(ErrorKind::kData,
         "{} is not a GGUF file: it does not begin with \"GGUF\"; name a language model in that "
         "format",
         path.string());
  }
  return hash_hex(std::string(content.substr(0, 1 << 20)) + std::to_string(content.size()));
}

}  // namespace

std::string llama_complaint() {
  return last_complaint.empty() ? "no reason given" : last_complaint;
}

LlamaModel::LlamaModel(std::filesystem::path path)
    : path_(std::move(path)), fingerprint_(fingerprint(path_)) {
  initialize_llama();
  last_complaint.clear();
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = 0;
  model_.reset(llama_model_load_from_file(path_.c_str(), params));
  if (!model_) {
    fail(ErrorKind::kData,
         "cannot load the language model {}: {}; expected a GGUF model that llama.cpp runs",
         path_.string(), llama_complaint());
  }
  // A recurrent state cannot be cut back to a shared prompt.
  if (!llama_model_has_decoder(model_.get()) || llama_model_has_encoder(model_.get()) ||
      llama_model_is_recurrent(model_.get()) || llama_model_is_hybrid(model_.get())) {
    fail(ErrorKind::kData,
         "the language model {} is not a plain transformer decoder; choose one that is",
         path_.string());
  }
  vocabulary_ = llama_model_get_vocab(model_.get());
  const char* own_template = llama_model_chat_template(model_.get(), /*name=*/nullptr);
  const llama_chat_message probe = {"user", "?"};
  const bool known = own_template != nullptr &&
                     llama_chat_apply_template(own_template, &probe, 1, true, nullptr, 0) >= 0;
  chat_template_ = known ? own_template : "chatml";
}

std::string LlamaModel::name() const {
  return fmt::format("{} ({})", path_.stem().string(), fingerprint_);
}

Tokens LlamaModel::encode(std::span<const Message> messages, bool answer) const {
  std::vector<llama_chat_message> chat;
  for (const Message& message : messages) {
    chat.push_back({message.role.c_str(), message.content.c_str()});
  }
  const auto lay_out = [&](char* buffer, int32_t size) {
    return llama_chat_apply_template(chat_template_.c_str(), chat.data(), chat.size(), answer,
                                     buffer, size);
  };
  std::string text(static_cast<size_t>(std::max(0, lay_out(nullptr, 0))), '\0');
  lay_out(text.data(), static_cast<int32_t>(text.size()));

  Tokens tokens(text.size() + 8);  // A token is at least a byte; some models add marks.
  const int32_t count = llama_tokenize(vocabulary_, text.data(), static_cast<int32_t>(text.size()),
                                       tokens.data(), static_cast<int32_t>(tokens.size()),
                                       /*add_special=*/true, /*parse_special=*/true);
  tokens.resize(static_cast<size_t>(std::max(0, count)));
  return tokens;
}

std::string LlamaModel::piece(llama_token token) const {
  std::string text(64, '\0');
  const auto convert = [&] {
    return llama_token_to_piece(vocabulary_, token, text.data(), static_cast<int32_t>(text.size()),
                                /*lstrip=*/0, /*special=*/false);
  };
  int32_t size = convert();
  if (size < 0) {
    text.resize(static_cast<size_t>(-size));
    size = convert();
  }
  text.resize(static_cast<size_t>(std::max(0, size)));
  return text;
}

llama_context_ptr LlamaModel::new_context(int sequences, int context, int batch) const {
  llama_context_params params = llama_context_default_params();
  params.n_seq_max = static_cast<uint32_t>(sequences);
  params.n_ctx = params.n_seq_max * static_cast<uint32_t>(context);
  params.n_batch = static_cast<uint32_t>(batch);
  params.n_ubatch = kMicroBatch;
  params.n_outputs_max = params.n_seq_max;
  params.n_threads = 1;
  params.n_threads_batch = 1;
  params.no_perf = true;
  // What makes logits independent of the batch: a cache of its own for each sequence, so that where
  // its cells lie does not depend on others, and plain attention, as the fused one splits its sums
  // by the size of the batch.
  params.kv_unified = false;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  last_complaint.clear();
  llama_context_ptr made(llama_init_from_model(model_.get(), params));
  if (!made) {
    fail(ErrorKind::kData,
         "cannot run the language model {} with {} sequences of {} tokens: {}; use less of either "
         "or a smaller model",
         path_.string(), sequences, context, llama_complaint());
  }
  return made;
}

}  // namespace paraclip
