// The user's own captions and queries over the user's own images.

#include "paraclip/eval/images_at_hand.h"
#include "paraclip/eval/pool_files.h"
#include "paraclip/eval/registry.h"
#include "paraclip/eval/retrieval_data.h"
#include "paraclip/io/image_embeddings.h"

#include <fmt/format.h>

#include <optional>

namespace paraclip {
namespace {

// The images to search in: those listed, else those that have captions, else all embeddings.
Numbering own_pool(const BenchmarkData& data, const std::optional<CaptionFile>& captions,
                   PoolTask& task) {
  if (!data.images.empty()) {
    task.pool = fmt::format("the images of {}", data.images.filename().string());
    return read_image_list(data.images);
  }
  if (captions) {
    task.pool = fmt::format("the images of {}", data.captions.filename().string());
    return images_of(*captions);
  }
  task.pool = "all image embeddings";
  Numbering pool;
  for (const std::string& id : data.embeddings->ids()) pool.number(id);
  return pool;
}

}  // namespace

LoadedBenchmark load_own(const BenchmarkData& data) {
  if (data.captions.empty() && data.pairs.empty()) return {};
  if (data.embeddings == nullptr) {
    return {nullptr,
            {{"all metrics", "the embeddings of the images to search in",
              "paraclip embed, then give its folder as the image embeddings"}}};
  }
  std::optional<CaptionFile> captions;
  if (!data.captions.empty()) captions = read_caption_file(data.captions);
  PoolTask task;
  const Numbering pool = own_pool(data, captions, task);
  task.image_remedy = "give embeddings of all images of the pool: expected the ids of its ids.txt";
  for (const std::string& id : pool.keys()) task.images.push_back({id, {}, std::nullopt});
  if (captions) {
    task.caption_source = fmt::format("{} ({})", data.captions.filename().string(), captions->form);
    add_captions(*captions, pool, data.captions, task);
  }
  if (!data.pairs.empty()) {
    QueryPairFile file = read_query_pairs(data.pairs);
    const bool log = file.form == "query log";
    task.pair_sets.push_back(
        {"",
         fmt::format(
             "{} ({}){}", data.pairs.filename().string(), file.form,
             log ? ": all pairs of different queries of a group; groups are resampled" : ""),
         std::move(file.pairs)});
    if (log) {
      task.counts.emplace_back("groups", file.groups);
      task.counts.emplace_back("groups_of_one_query_left_out", file.lone_groups);
    }
  }
  return make_pool_benchmark(data, std::move(task));
}

}  // namespace paraclip
