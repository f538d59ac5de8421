// Paraphrased retrieval: how alike the results of two queries are that mean the same.

#include "paraclip/base/error.h"
#include "paraclip/base/json.h"
#include "paraclip/eval/images_at_hand.h"
#include "paraclip/eval/pool_files.h"
#include "paraclip/eval/registry.h"
#include "paraclip/eval/retrieval_data.h"
#include "paraclip/io/tsv.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

// The pair of two texts about the image `id`: pairs of one image are one unit of resampling.
QueryPair pair_about(const std::string& query, const std::string& paraphrase, const std::string& id,
                     const Numbering& pool, const std::string& where) {
  const auto image = pool.find(id);
  if (!image)
    fail(ErrorKind::kData, "{}: the image {} is not in the pool; expected one of its ids", where,
         id);
  return {filled(query, "query", where), filled(paraphrase, "paraphrase", where), *image, *image};
}

std::vector<QueryPair> read_flickr_pairs(const fs::path& path, const Numbering& pool) {
  std::vector<QueryPair> pairs;
  TsvReader reader(path, {"query", "paraphrase", "image_id"});
  for (std::vector<std::string_view> row; reader.next(row);) {
    pairs.push_back(pair_about(std::string(row[0]), std::string(row[1]), std::string(row[2]), pool,
                               reader.where()));
  }
  if (pairs.empty()) fail(ErrorKind::kData, "{} holds no pairs of queries", path.string());
  return pairs;
}

std::string trimmed(const std::string& text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

// The pairs of caption and caption2 in SugarCrepe++'s files that differ by more than blanks at
// their ends, which no model sees.
std::vector<QueryPair> read_sugar_crepe_pairs(const std::vector<fs::path>& files,
                                              const Numbering& pool) {
  std::vector<QueryPair> pairs;
  std::set<std::pair<std::string, std::string>> seen;
  for (const fs::path& path : files) {
    const Json cases = read_json(path);
    if (!cases.is_array())
      fail(ErrorKind::kData, "{}: found {}, expected a list of cases", path.string(),
           cases.type_name());
    for (size_t i = 0; i < cases.size(); ++i) {
      const std::string where = fmt::format("{}, case {}", path.string(), i);
      const std::string first = trimmed(json_string(cases[i], "caption", where));
      const std::string second = trimmed(json_string(cases[i], "caption2", where));
      if (!seen.emplace(first, second).second) continue;
      pairs.push_back(
          pair_about(first, second, json_string(cases[i], "filename", where), pool, where));
    }
  }
  if (pairs.empty()) fail(ErrorKind::kData, "{} and its like hold no pairs", files[0].string());
  return pairs;
}

}  // namespace

LoadedBenchmark load_paraphrased_flickr8k(const BenchmarkData& data) {
  const fs::path folder = data.folder / "flickr8k";
  const fs::path list = folder / "dev.txt", paraphrases = folder / "paraphrase_pairs_dev.tsv",
                 human = folder / "pairs_dev.tsv";
  LoadedBenchmark loaded;
  if (!have_files({list, paraphrases, human}, "put Flickr8k's dev split and its pairs there",
                  loaded))
    return loaded;
  const Numbering pool = read_image_list(list);
  PoolTask task;
  task.pool = "the dev split of Flickr8k (dev.txt)";
  task.image_remedy = image_remedy(data, folder / "images/dev", "");
  for (const std::string& id : pool.keys())
    task.images.push_back({id, folder / "images/dev" / id, std::nullopt});
  task.pair_sets.push_back(
      {"", "a caption of each photo and a paraphrase of it (paraphrase_pairs_dev.tsv)",
       read_flickr_pairs(paraphrases, pool)});
  task.pair_sets.push_back({"human",
                            "two captions that two people wrote of one photo (pairs_dev.tsv): they "
                            "need not say the same",
                            read_flickr_pairs(human, pool)});
  return make_pool_benchmark(data, std::move(task));
}

LoadedBenchmark load_paraphrased_coco(const BenchmarkData& data) {
  const fs::path captions = data.folder / "coco_captions_val2017/captions_val2017.json";
  std::vector<fs::path> files;
  for (const char* part : {"replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"})
    files.push_back(data.folder / "sugar_crepe_pp" / fmt::format("{}.json", part));
  LoadedBenchmark loaded;
  const bool have_pool =
      have_files({captions}, "paraclip data fetch coco_captions_val2017", loaded);
  const bool have_pairs = have_files(files, "paraclip data fetch sugar_crepe_pp", loaded);
  if (!have_pool || !have_pairs) return loaded;
  const Numbering pool = images_of(read_caption_file(captions));
  PoolTask task;
  task.pool = "COCO val2017 (the images of captions_val2017.json)";
  task.image_remedy = image_remedy(data, data.folder / "coco/val2017", "coco_val2017");
  for (const std::string& id : pool.keys())
    task.images.push_back({id, data.folder / "coco/val2017" / id, std::nullopt});
  task.pair_sets.push_back(
      {"",
       "the distinct pairs of caption and caption2 of SugarCrepe++, paraphrases "
       "that people checked; the pairs of one image are drawn together",
       read_sugar_crepe_pairs(files, pool)});
  return make_pool_benchmark(data, std::move(task));
}

}  // namespace paraclip
