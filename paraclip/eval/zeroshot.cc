#include "paraclip/eval/zeroshot.h"

#include "paraclip/base/error.h"
#include "paraclip/base/json.h"
#include "paraclip/embed/file_source.h"
#include "paraclip/eval/images_at_hand.h"
#include "paraclip/eval/numbering.h"
#include "paraclip/eval/registry.h"
#include "paraclip/eval/top_k.h"
#include "paraclip/io/lines.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <numeric>
#include <set>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kTop = 5;
constexpr int64_t kImageNetImages = 50'000;  // Of the validation set.
constexpr size_t kPromptBlock = 4096;        // Texts encoded at once.

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// One data set.
struct ZeroShotSet {
  std::string name;
  ZeroShotPrompts prompts;
  std::vector<EvalImage> images;  // By class.
  std::vector<int64_t> labels;    // Of each image.
  std::string suffix;             // Of metrics, where images are missing.

  std::string metric(std::string_view what) const {
    return fmt::format("{}.{}{}", name, what, suffix);
  }
};

std::vector<std::string> checked_texts(const Json& list, const std::string& where) {
  if (!list.is_array() || list.empty())
    fail(ErrorKind::kData, "{}: expected a list of texts with at least one", where);
  std::vector<std::string> texts;
  for (const Json& text : list) {
    if (!text.is_string() || text.get<std::string>().empty()) {
      fail(ErrorKind::kData, "{}: entry {} is {}, expected a text", where, texts.size(),
           dump_json(text).substr(0, 60));
    }
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

// The texts of `stem`.json, a list, or `stem`.txt, one a line; empty where neither is there.
std::vector<std::string> read_texts(const fs::path& stem) {
  const fs::path json = stem.string() + ".json", text = stem.string() + ".txt";
  if (is_there(json)) return checked_texts(read_json(json), json.string());
  if (!is_there(text)) return {};
  std::vector<std::string> lines = read_lines(text);
  if (lines.empty()) fail(ErrorKind::kData, "{} holds no texts", text.string());
  return lines;
}

// Names and templates of a data set: its own files, else what comes with open_clip for ImageNet.
ZeroShotPrompts read_prompts(const fs::path& folder, const fs::path& imagenet) {
  ZeroShotPrompts prompts{read_texts(folder / "classnames"), read_texts(folder / "templates")};
  if (folder.filename() == "imagenet" && is_there(imagenet)) {
    const Json metadata = read_json(imagenet);
    const auto list = [&](const char* key) {
      const std::string where = fmt::format("{}: \"{}\"", imagenet.string(), key);
      return checked_texts(metadata.is_object() ? metadata.value(key, Json()) : Json(), where);
    };
    if (prompts.classes.empty()) prompts.classes = list("IMAGENET_CLASSNAMES");
    if (prompts.templates.empty()) prompts.templates = list("OPENAI_IMAGENET_TEMPLATES");
  }
  for (const std::string& text : prompts.templates) {
    if (text.find("{}") == std::string::npos && text.find("{c}") == std::string::npos) {
      fail(ErrorKind::kData, "{}: the template \"{}\" has no place for the class: expected {{}}",
           folder.string(), text);
    }
  }
  return prompts;
}

// The class that each folder of images stands for: by its name, by its index, or, where no folder
// is named so and there are as many as classes, by their order (ImageNet's synset ids).
std::vector<int64_t> classes_of_folders(const std::set<std::string>& folders,
                                        const std::vector<std::string>& classes,
                                        const fs::path& images) {
  Numbering names;
  for (const std::string& name : classes) names.number(name);
  const bool distinct = names.keys().size() == classes.size();
  std::vector<int64_t> result;
  int64_t unknown = 0;
  for (const std::string& folder : folders) {
    int64_t index = -1;
    const char* end = folder.data() + folder.size();
    const bool number = std::from_chars(folder.data(), end, index).ptr == end && index >= 0 &&
                        index < static_cast<int64_t>(classes.size());
    const auto named = distinct ? names.find(folder) : std::nullopt;
    result.push_back(named ? *named : number ? index : -1);
    unknown += result.back() < 0 ? 1 : 0;
  }
  if (unknown == static_cast<int64_t>(folders.size()) && folders.size() == classes.size()) {
    std::iota(result.begin(), result.end(), int64_t{0});
  } else if (unknown > 0) {
    const auto first = std::find(result.begin(), result.end(), -1) - result.begin();
    fail(ErrorKind::kData,
         "{}: {} of {} folders of images belong to none of the {} classes, such as {}; expected "
         "each class's name or index, or as many folders as classes, in their order",
         images.string(), unknown, folders.size(), classes.size(),
         *std::next(folders.begin(), first));
  }
  return result;
}

// Lists the images of `set` below `folder`, by class.
void list_images(const fs::path& folder, ZeroShotSet& set) {
  const auto source = open_folder_source(folder, /*shard_size=*/1'000'000'000);
  std::vector<std::pair<std::string, EvalImage>> found;  // With their folders.
  std::set<std::string> folders;
  const std::unique_ptr<SampleReader> reader = source->open(0);
  for (ImageSample sample; reader->next(sample);) {
    const size_t slash = sample.id.find('/');
    if (slash == std::string::npos) {
      fail(ErrorKind::kData, "{}: the image {} is in no folder; expected a folder for each class",
           folder.string(), sample.id);
    }
    found.emplace_back(sample.id.substr(0, slash), EvalImage{sample.id, sample.file, std::nullopt});
    folders.insert(found.back().first);
  }
  const std::vector<int64_t> labels = classes_of_folders(folders, set.prompts.classes, folder);
  std::vector<std::vector<EvalImage>> by_class(set.prompts.classes.size());
  for (auto& [name, image] : found) {
    const auto place = std::distance(folders.begin(), folders.find(name));
    by_class[static_cast<size_t>(labels[static_cast<size_t>(place)])].push_back(std::move(image));
  }
  for (size_t label = 0; label < by_class.size(); ++label) {
    for (EvalImage& image : by_class[label]) {
      set.images.push_back(std::move(image));
      set.labels.push_back(static_cast<int64_t>(label));
    }
  }
}

// Leaves the images that can be used, and says what is missing of the whole: false where the set
// cannot run.
bool keep_usable(const BenchmarkData& data, ZeroShotSet& set, std::vector<Lack>& lacks) {
  ImagesAtHand found = find_images(data, set.images);
  const auto classes = static_cast<int64_t>(set.prompts.classes.size());
  const auto seen = static_cast<int64_t>(std::set(set.labels.begin(), set.labels.end()).size());
  const fs::path folder = data.folder / "zeroshot" / set.name / "images";
  Lack lack{set.name, "", image_remedy(data, folder, "")};
  if (!found.complete()) {
    lack.what = found.missing();
  } else if (set.name == "imagenet" && found.total < kImageNetImages) {
    found.total = kImageNetImages;
    lack.what = fmt::format("{} of the 50,000 images of the validation set in {}",
                            with_commas(kImageNetImages - static_cast<int64_t>(found.rows.size())),
                            folder.string());
  } else if (seen < classes) {
    lack.what = fmt::format("images of {} of {} classes in {}", with_commas(classes - seen),
                            with_commas(classes), folder.string());
    set.suffix = fmt::format(" ({} of {} classes)", with_commas(seen), with_commas(classes));
  } else {
    return true;
  }
  lacks.push_back(lack);
  if (!data.partial || found.rows.empty()) return false;
  if (set.suffix.empty()) set.suffix = found.suffix();
  ZeroShotSet kept{set.name, set.prompts, {}, {}, set.suffix};
  for (const int64_t row : found.rows) {
    kept.images.push_back(set.images[static_cast<size_t>(row)]);
    kept.labels.push_back(set.labels[static_cast<size_t>(row)]);
  }
  set = std::move(kept);
  return true;
}

class ZeroShot : public Benchmark {
 public:
  explicit ZeroShot(std::vector<ZeroShotSet> sets) : sets_(std::move(sets)) {}

  std::vector<std::pair<std::string, std::string>> protocol() const override {
    return {{"classifier",
             "of each class the prompts of all templates, encoded and made unit; their mean, made "
             "unit again; an image's score is its inner product with it, summed in float64 and "
             "rounded to float32"},
            {"top1",
             "share of images whose class no other class beats; of equal scores the class that "
             "stands earlier in the list wins"},
            {"top5", "share of images whose class is among the first five, likewise"},
            {"mean_per_class", "top-1 of each class, averaged over the classes that have images"},
            {"intervals", "images are resampled within their class"}};
  }

  std::vector<std::pair<std::string, int64_t>> counts() const override {
    std::vector<std::pair<std::string, int64_t>> counts;
    for (const ZeroShotSet& set : sets_) {
      counts.emplace_back(set.name + ".images", static_cast<int64_t>(set.images.size()));
      counts.emplace_back(set.name + ".classes", static_cast<int64_t>(set.prompts.classes.size()));
      counts.emplace_back(set.name + ".templates",
                          static_cast<int64_t>(set.prompts.templates.size()));
    }
    return counts;
  }

  Outcome run(Encoder& encoder) const override {
    Outcome outcome;
    for (const ZeroShotSet& set : sets_) measure(set, encoder, outcome);
    return outcome;
  }

 private:
  static void measure(const ZeroShotSet& set, Encoder& encoder, Outcome& outcome);

  std::vector<ZeroShotSet> sets_;
};

void ZeroShot::measure(const ZeroShotSet& set, Encoder& encoder, Outcome& outcome) {
  std::vector<std::vector<int64_t>> targets;
  for (const int64_t label : set.labels) targets.push_back({label});
  const std::vector<int64_t> ranks =
      best_ranks(encoder.encode_images(set.images), class_vectors(set.prompts, encoder), targets);
  const auto hits = [&](int64_t k) {
    std::vector<double> values;
    for (const int64_t rank : ranks) values.push_back(rank <= k ? 100 : 0);
    return values;
  };
  Sample sample;
  for (size_t i = 0; i < ranks.size(); ++i) {
    if (i == 0 || set.labels[i] != set.labels[i - 1]) sample.strata.push_back(0);
    ++sample.strata.back();
    const std::string& name = set.prompts.classes[static_cast<size_t>(set.labels[i])];
    outcome.examples.push_back({set.metric("top1"),
                                {{"image_id", set.images[i].id}, {"class", name}},
                                {{"rank", ranks[i]}},
                                -static_cast<double>(ranks[i]),
                                ranks[i] == 1});
  }
  outcome.samples.push_back(sample);
  const size_t row = outcome.samples.size() - 1;
  const auto classes = static_cast<double>(set.prompts.classes.size());
  outcome.metrics.push_back({.name = set.metric("top1"),
                             .statistic = mean_statistic(hits(1)),
                             .sample = row,
                             .headline = true,
                             .chance = 100 / classes});
  if (classes > kTop) {
    outcome.metrics.push_back({.name = set.metric("top5"),
                               .statistic = mean_statistic(hits(kTop)),
                               .sample = row,
                               .chance = 100 * kTop / classes});
  }
  outcome.metrics.push_back({.name = set.metric("mean_per_class"),
                             .statistic = macro_mean_statistic(hits(1), set.labels),
                             .sample = row,
                             .chance = 100 / classes});
}

}  // namespace

std::vector<std::string> ZeroShotPrompts::of(size_t index) const {
  std::vector<std::string> prompts;
  for (const std::string& text : templates) {
    const std::string_view mark = text.find("{c}") == std::string::npos ? "{}" : "{c}";
    std::string prompt;
    size_t begin = 0;
    for (size_t place; (place = text.find(mark, begin)) != std::string::npos;) {
      prompt += text.substr(begin, place - begin) + classes[index];
      begin = place + mark.size();
    }
    prompts.push_back(prompt + text.substr(begin));
  }
  return prompts;
}

at::Tensor class_vectors(const ZeroShotPrompts& prompts, Encoder& encoder) {
  const size_t block = std::max<size_t>(1, kPromptBlock / prompts.templates.size());
  const auto templates = static_cast<int64_t>(prompts.templates.size());
  std::vector<at::Tensor> rows;
  for (size_t first = 0; first < prompts.classes.size(); first += block) {
    std::vector<std::string> texts;
    for (size_t i = first; i < std::min(first + block, prompts.classes.size()); ++i) {
      for (std::string& text : prompts.of(i)) texts.push_back(std::move(text));
    }
    const at::Tensor vectors = encoder.encode_texts(texts).to(at::kDouble);
    const at::Tensor means = vectors.view({-1, templates, vectors.size(1)}).mean(1);
    rows.push_back((means / means.norm(2, 1, /*keepdim=*/true).clamp_min(1e-12)).to(at::kFloat));
  }
  return at::cat(rows);
}

LoadedBenchmark load_zeroshot(const BenchmarkData& data) {
  LoadedBenchmark loaded;
  const fs::path folder = data.folder / "zeroshot";
  const fs::path imagenet = data.folder / "imagenet_zeroshot/open_clip_imagenet_metadata.json";
  std::set<std::string> names;
  if (is_there(folder)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (entry.is_directory()) names.insert(entry.path().filename().string());
    }
  }
  if (is_there(imagenet)) names.insert("imagenet");
  std::vector<ZeroShotSet> sets;
  for (const std::string& name : names) {
    ZeroShotSet set;
    set.name = name;
    set.prompts = read_prompts(folder / name, imagenet);
    std::string missing;
    if (set.prompts.classes.empty()) missing += " classnames.json";
    if (set.prompts.templates.empty()) missing += " templates.json";
    if (!is_there(folder / name / "images")) missing += " images/";
    if (!missing.empty()) {
      loaded.lacks.push_back({name, fmt::format("{}:{}", (folder / name).string(), missing),
                              "put class names, templates and a folder of images for each class "
                              "there (docs/evaluation.md)"});
      continue;
    }
    list_images(folder / name / "images", set);
    if (keep_usable(data, set, loaded.lacks)) sets.push_back(std::move(set));
  }
  if (names.empty()) {
    loaded.lacks.push_back({"all metrics", fmt::format("a data set in {}", folder.string()),
                            "put NAME/classnames.txt, NAME/templates.txt and "
                            "NAME/images/CLASS/*.jpg there"});
  }
  if (!sets.empty()) loaded.benchmark = std::make_unique<ZeroShot>(std::move(sets));
  return loaded;
}

}  // namespace paraclip
