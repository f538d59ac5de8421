// paraclip paraphrase: captions to two-step paraphrases, by a language model.

#include "cli/command.h"
#include "cli/common.h"
#include "paraclip/base/error.h"
#include "paraclip/paraphrase/captions.h"
#include "paraclip/paraphrase/default_model.h"
#include "paraclip/paraphrase/http_backend.h"
#include "paraclip/paraphrase/llama_backend.h"
#include "paraclip/paraphrase/pipeline.h"
#include "paraclip/paraphrase/similarity.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>

namespace paraclip::cli {
namespace {

struct Options {
  CommonOptions common;
  CaptionOptions captions;
  std::string format = "auto";
  std::string shard = "1/1";
  PipelineOptions pipeline;
  std::string recipe;
  std::string backend = "llama";
  bool dry_run = false;
  LlamaOptions llama;
  HttpBackendOptions http;
  std::string api_key_env = "OPENAI_API_KEY";
  std::string request_fields = "{}";
  ModelOption clip_model;
  double min_similarity = 0.7;
};

// What this process did, next to the statistics of the whole run.
struct ThisRun {
  int64_t resumed = -1;  // Captions finished by earlier ones; -1 before the first report.
  int64_t finished = 0;
  double seconds = 0.0;

  double rate() const {
    return seconds > 0 ? static_cast<double>(finished - resumed) / seconds : 0.0;
  }
};

void parse_shard(const std::string& text, CaptionOptions& captions) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos ||
      !CLI::detail::lexical_cast(text.substr(0, slash), captions.shard) ||
      !CLI::detail::lexical_cast(text.substr(slash + 1), captions.shards)) {
    fail(ErrorKind::kUsage, "--shard is '{}', expected one like 3/64", text);
  }
}

// Room in a slot for the longest question of the recipe and its answer. A token of English text is
// about four bytes; three leave room for others.
int slot_size(const Recipe& recipe) {
  constexpr size_t kLongestSource = 320;
  constexpr size_t kTokensPerMessage = 8;
  size_t most = 0;
  for (const RecipeStep& step : recipe.steps) {
    size_t tokens = kTokensPerMessage + (step.prompt.size() + kLongestSource) / 3;
    for (const Message& message : step.prefix())
      tokens += kTokensPerMessage + message.content.size() / 3;
    most = std::max(most, tokens + static_cast<size_t>(step.sampling.max_tokens));
  }
  return static_cast<int>(most);
}

std::unique_ptr<Backend> make_backend(Options& options) {
  if (options.backend == "http") {
    if (const char* key = std::getenv(options.api_key_env.c_str())) options.http.api_key = key;
    options.http.api_key_hint = options.api_key_env;
    options.http.request_fields =
        Json::parse(options.request_fields, nullptr, /*allow_exceptions=*/false);
    if (!options.http.request_fields.is_object()) {
      fail(ErrorKind::kUsage, "--request-fields is '{}', expected a JSON object",
           options.request_fields);
    }
    return std::make_unique<HttpBackend>(options.http);
  }
  LlamaOptions llama = options.llama;
  if (llama.model.empty()) llama.model = default_model_path();
  if (llama.context == 0) llama.context = slot_size(options.pipeline.recipe);
  llama.threads = options.common.threads;
  return std::make_unique<LlamaBackend>(llama);
}

std::string rejects_text(const StepStatistics& step) {
  std::string text;
  for (size_t i = 0; i < kRejectCount; ++i) {
    if (step.reasons[i] == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", reject_name(static_cast<Reject>(i)),
                        step.reasons[i]);
  }
  return text.empty() ? "none" : text;
}

// Breaks `text` at blanks so that every line stays under 80 columns behind a margin.
void print_wrapped(std::string_view label, std::string_view text) {
  constexpr size_t kMargin = 10;
  constexpr size_t kWidth = 79;
  while (!text.empty()) {
    size_t end = text.size();
    if (end > kWidth - kMargin) {
      end = text.rfind(' ', kWidth - kMargin);
      if (end == std::string_view::npos) end = text.size();
    }
    fmt::print("{:<{}}{}\n", label, kMargin, text.substr(0, end));
    label = "";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void print_counts(const CaptionCounts& counts, size_t captions) {
  print_wrapped("captions",
                fmt::format("{} of {} read: {} empty, {} too short, {} too long{}", captions,
                            counts.read, counts.empty, counts.too_short, counts.too_long,
                            static_cast<int64_t>(captions) == counts.kept
                                ? ""
                                : fmt::format(", {} kept in all shards", counts.kept)));
}

void print_summary(const RunStatistics& statistics, const ThisRun& this_run,
                   const std::filesystem::path& output) {
  print_counts(statistics.counts, static_cast<size_t>(statistics.captions));
  const double share = statistics.captions == 0 ? 0.0
                                                : 100.0 * static_cast<double>(statistics.triples) /
                                                      static_cast<double>(statistics.captions);
  print_wrapped("triples", fmt::format("{} ({:.1f} % of the captions)", statistics.triples, share));
  for (size_t i = 0; i < statistics.steps.size(); ++i) {
    const StepStatistics& step = statistics.steps[i];
    print_wrapped(fmt::format("step {}", i + 1),
                  fmt::format("{} requests, captions answered {}, rejected {}, failed {}",
                              step.requests, step.chosen, step.rejected, step.failed));
    print_wrapped("", fmt::format("{} of {} outputs accepted; rejected: {}", step.accepted,
                                  step.candidates, rejects_text(step)));
  }
  print_wrapped("tokens", fmt::format("{} prompt, {} completion", statistics.prompt_tokens,
                                      statistics.completion_tokens));
  print_wrapped("time", fmt::format("{:.1f} s for {} captions, {:.2f} captions/s", this_run.seconds,
                                    this_run.finished - this_run.resumed, this_run.rate()));
  print_wrapped("output", (output / "triples.jsonl").string());
}

void dry_run(const Options& options, const CaptionList& captions) {
  const CostEstimate cost = estimate_cost(captions, options.pipeline.recipe);
  if (options.common.json) {
    print_json({{"captions", captions.size()},
                {"read", captions.counts.read},
                {"empty", captions.counts.empty},
                {"too_short", captions.counts.too_short},
                {"too_long", captions.counts.too_long},
                {"kept", captions.counts.kept},
                {"requests", cost.requests},
                {"estimated_prompt_tokens", cost.prompt_tokens},
                {"estimated_completion_tokens", cost.completion_tokens}});
    return;
  }
  print_counts(captions.counts, captions.size());
  print_wrapped("requests", fmt::format("{} without repeats", cost.requests));
  print_wrapped("tokens", fmt::format("about {} prompt, {} completion (4 bytes a token)",
                                      cost.prompt_tokens, cost.completion_tokens));
}

void run(const CLI::App& app, Options& options) {
  apply_common_options(options.common);
  parse_shard(options.shard, options.captions);
  options.captions.format = parse_caption_format(options.format);
  Recipe& recipe = options.pipeline.recipe;
  if (options.recipe.empty()) options.recipe = options.backend == "http" ? "official" : "smollm2";
  recipe = load_recipe(options.recipe);
  options.captions.min_words = recipe.min_words;
  options.captions.max_words = recipe.max_words;
  if (!options.dry_run && options.pipeline.output.empty())
    fail(ErrorKind::kUsage, "no output folder is named: give -o FOLDER");
  const CaptionList captions = read_captions(options.captions);
  const CaptionCounts& counts = captions.counts;
  if (counts.kept == 0) {
    fail(ErrorKind::kData,
         "{} holds no caption to paraphrase: {} read, {} empty, {} too short, {} too long; the "
         "recipe asks for {} to {} words",
         options.captions.file.string(), counts.read, counts.empty, counts.too_short,
         counts.too_long, recipe.min_words, recipe.max_words);
  }
  if (options.dry_run) return dry_run(options, captions);

  const std::unique_ptr<Backend> backend = make_backend(options);
  ThisRun this_run;
  std::optional<SimilarityCheck> similarity;
  if (!options.clip_model.empty()) {
    similarity.emplace(find_model(options.clip_model, options.common), options.min_similarity);
  }
  options.pipeline.similarity = similarity ? &*similarity : nullptr;
  const ProgressCallback shown = make_progress(options.common);
  const auto started = std::chrono::steady_clock::now();
  const RunStatistics statistics =
      run_pipeline(captions, options.pipeline, *backend, [&](const ProgressState& state) {
        if (this_run.resumed < 0) this_run.resumed = state.done;
        this_run.finished = state.done;
        if (shown) shown(state);
      });
  this_run.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  write_effective_config(app, options.pipeline.output);
  if (!options.common.json) return print_summary(statistics, this_run, options.pipeline.output);
  Json json = to_json(statistics, StepRules(recipe, options.pipeline.seed));
  json["this_run"] = {{"captions", this_run.finished - this_run.resumed},
                      {"seconds", this_run.seconds},
                      {"captions_per_second", this_run.rate()}};
  json["output"] = options.pipeline.output.string();
  print_json(json);
}

void add_input_options(CLI::App& app, Options& options) {
  const std::string group = "Captions";
  CaptionOptions& captions = options.captions;
  app.add_option("captions,--captions", captions.file, "JSONL, TSV or plain text of captions")
      ->required();
  app.add_option("--format", options.format, "auto (by extension), jsonl, tsv or text")
      ->capture_default_str()
      ->group(group);
  app.add_option("--caption-key", captions.caption_key,
                 "JSON key or TSV column (name, or number without header)")
      ->group(group);
  app.add_option("--image-key", captions.image_key, "The same for the image id")->group(group);
  app.add_option("--image-ids", captions.image_ids, "Image ids beside a plain text, line by line")
      ->group(group);
  app.add_option("--limit", captions.limit, "Only the first so many captions; 0: all")
      ->capture_default_str()
      ->group(group);
  app.add_option("--shard", options.shard, "I/N: the I-th of N equal parts")
      ->capture_default_str()
      ->group(group);
}

void add_llama_options(CLI::App& app, Options& options) {
  const std::string group = "Model in this process";
  LlamaOptions& llama = options.llama;
  llama.context = 0;
  app.add_option("--llm", llama.model, "GGUF file (default: the one that setup fetched)")
      ->group(group);
  app.add_option("--slots", llama.slots, "Completions decoded together")
      ->capture_default_str()
      ->group(group);
  app.add_option("--context", llama.context, "Tokens a slot holds; 0: as the recipe needs")
      ->capture_default_str()
      ->group(group);
}

void add_http_options(CLI::App& app, Options& options) {
  const std::string group = "Server";
  HttpBackendOptions& http = options.http;
  const auto add = [&](const std::string& name, auto& value, const std::string& text) {
    app.add_option(name, value, text)->capture_default_str()->group(group);
  };
  add("--base-url", http.base_url, "Of an OpenAI-compatible server");
  add("--model-name", http.model, "Its model");
  add("--api-key-env", options.api_key_env, "Environment variable with the key");
  add("--concurrency", http.concurrency, "Requests at a time");
  add("--timeout", http.timeout, "Seconds for one try");
  add("--max-retries", http.max_retries, "Further tries of a request");
  add("--request-fields", options.request_fields, "JSON merged into requests; null removes");
}

}  // namespace

void define_paraphrase(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_input_options(app, *options);
  app.add_option("-o,--output", options->pipeline.output,
                 "Folder for triples, journal, statistics");
  app.add_option("--backend", options->backend, "llama (in this process) or http (a server)")
      ->check(CLI::IsMember({"llama", "http"}).description(""))
      ->capture_default_str();
  app.add_option("--recipe", options->recipe,
                 "smollm2 (default for llama), official (for http) or a file");
  add_model_option(app, options->clip_model, "--clip-model")
      ->description("CLIP model whose text encoder rejects what is unlike the caption");
  app.add_option("--min-similarity", options->min_similarity, "Least cosine for --clip-model")
      ->capture_default_str();
  app.add_option("--seed", options->pipeline.seed, "Of the sampling")->capture_default_str();
  app.add_flag("--dry-run", options->dry_run, "Only count captions and estimate tokens")
      ->configurable(false);
  app.add_flag("--retry-failed", options->pipeline.retry_failed,
               "Ask again what an earlier run gave up on")
      ->configurable(false);
  add_llama_options(app, *options);
  add_http_options(app, *options);
  add_common_options(app, options->common);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace paraclip::cli
