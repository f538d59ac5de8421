// paraclip embed: embeddings of images or texts, in clip-retrieval's layout.

#include "cli/command.h"
#include "cli/common.h"
#include "paraclip/base/error.h"
#include "paraclip/embed/embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>

namespace paraclip::cli {
namespace {

struct Options {
  CommonOptions common;
  ModelOption model;
  std::string images;
  std::filesystem::path texts;
  ImageSourceOptions source;
  EmbedOptions embed;
  std::string precision = "fp32";
  bool with_text = false;
};

int default_workers() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

void add_options(CLI::App& app, Options& options) {
  EmbedOptions& embed = options.embed;
  embed.pipeline.workers = default_workers();
  add_model_option(app, options.model)->required();
  CLI::Option* images = app.add_option(
      "--images", options.images,
      "Folder of images or tars, list (a path a line, or TSV), or 'shards/{000..012}.tar'");
  app.add_option("--texts", options.texts, "Texts instead, one a line, or TSV with caption")
      ->excludes(images);
  app.add_option("-o,--output", embed.output, "Folder for the embeddings; a run stopped goes on")
      ->required();
  app.add_flag("--with-text", options.with_text, "Embed the captions of the images as well");
  const auto add = [&app](const std::string& name, auto& value, const std::string& text) {
    return app.add_option(name, value, text)->capture_default_str();
  };
  add("--precision", options.precision, "Of images: fp32 or bf16");
  add("--batch-size", embed.pipeline.batch_size, "Images a batch");
  add("--workers", embed.pipeline.workers, "Threads that decode");
  add("--shard-size", options.source.shard_size, "Rows a file; a tar always makes one");
  add("--max-bad-fraction", embed.max_bad_fraction, "Share of images that may be unreadable");
  add("--max-image-pixels", embed.pipeline.max_image_pixels, "Larger images count as bad");
  add("--image-key", options.source.image_key, "Suffixes of images in tars, best first");
  add("--text-key", options.source.text_key, "Suffixes of captions in tars");
  app.add_flag("--prefix-ids", options.source.prefix_ids, "Put a tar's name before its ids");
  add_common_options(app, options.common);
}

EmbedReport embed(const Options& options) {
  const ProgressCallback progress = make_progress(options.common);
  if (!options.texts.empty()) {
    return embed_texts(TextModel::load(find_model(options.model, options.common)), options.texts,
                       options.embed, progress);
  }
  // What is cheap to check comes before the model is loaded.
  const auto source = open_image_source(options.images, options.source);
  const ModelSource files = find_model(options.model, options.common);
  const ImageModel model = ImageModel::load(files, parse_precision(options.precision));
  std::optional<TextModel> text_model;
  if (options.with_text) text_model = TextModel::load(files);
  return embed_images(model, text_model ? &*text_model : nullptr, *source, options.embed, progress);
}

Json report_json(const Options& options, const EmbedReport& report, double rate) {
  Json json = Json::object();
  json["output"] = options.embed.output.string();
  json[options.texts.empty() ? "images" : "texts"] = report.rows;
  json["bad_images"] = report.bad.size();
  json["shards"] = report.shards;
  json["shards_of_earlier_runs"] = report.resumed;
  json["computed"] = report.computed;
  json["seconds"] = report.seconds;
  json["per_second"] = rate;
  return json;
}

void run(const CLI::App& app, Options& options) {
  apply_common_options(options.common);
  if (options.images.empty() == options.texts.empty()) {
    fail(ErrorKind::kUsage, "expected --images or --texts: what is to be embedded");
  }
  options.embed.shard_size = options.source.shard_size;
  options.embed.validate();
  const EmbedReport report = embed(options);
  write_effective_config(app, options.embed.output);
  const double rate =
      report.seconds > 0 ? static_cast<double>(report.computed) / report.seconds : 0.0;
  if (options.common.json) return print_json(report_json(options, report, rate));
  const char* unit = options.texts.empty() ? "images" : "texts";
  fmt::print("{} {} in {} shards ({} of earlier runs), {} bad images, {:.0f} s, {:.1f} {}/s\n",
             report.rows, unit, report.shards, report.resumed, report.bad.size(), report.seconds,
             rate, unit);
  fmt::print("{}: embeddings.json says what made them{}\n", options.embed.output.string(),
             report.bad.empty() ? "" : ", bad_images.jsonl which are missing and why");
}

}  // namespace

void define_embed(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_options(app, *options);
  app.callback([&app, options] { run(app, *options); });
}

}  // namespace paraclip::cli
