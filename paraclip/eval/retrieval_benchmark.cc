#include "paraclip/eval/retrieval_benchmark.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/signals.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace paraclip {
namespace {

// Texts given to the encoder at once: many batches of it, yet often enough for progress and Ctrl-C.
constexpr size_t kEncodeBlock = 1024;

at::Tensor select(const at::Tensor& vectors, const std::vector<int64_t>& rows) {
  return vectors.index_select(0, at::tensor(rows, at::kLong));
}

double mean_percent(const std::vector<RankSimilarity>& values, double RankSimilarity::*member) {
  double sum = 0;
  for (const RankSimilarity& value : values) sum += value.*member;
  return 100 * sum / static_cast<double>(values.size());
}

}  // namespace

Json RetrievalReport::to_json() const {
  return {{"metrics", metrics}, {"protocol", protocol}, {"counts", counts}};
}

RetrievalBenchmark::RetrievalBenchmark(RetrievalData data, int64_t k, std::vector<int64_t> recall_k)
    : data_(std::move(data)), k_(k), recall_k_(std::move(recall_k)) {
  std::sort(recall_k_.begin(), recall_k_.end());
}

RetrievalBenchmark RetrievalBenchmark::load(const RetrievalOptions& options) {
  return {load_retrieval_data(options), options.k, options.recall_k};
}

at::Tensor RetrievalBenchmark::encode_texts(const TextEncoder& encode,
                                            const ProgressCallback& progress) const {
  std::vector<at::Tensor> blocks;
  for (size_t start = 0; start < data_.texts.size(); start += kEncodeBlock) {
    if (stop_requested()) fail(ErrorKind::kInterrupted, "evaluation was stopped");
    const size_t end = std::min(start + kEncodeBlock, data_.texts.size());
    const auto first = data_.texts.begin() + static_cast<std::ptrdiff_t>(start);
    const auto last = data_.texts.begin() + static_cast<std::ptrdiff_t>(end);
    const at::Tensor block = encode(std::vector<std::string>(first, last));
    if (block.dim() != 2 || block.size(0) != last - first || block.size(1) != width()) {
      fail(ErrorKind::kData,
           "the text encoder gave vectors of shape [{}] for {} texts and the image embeddings are "
           "{} wide; expected both from one model",
           fmt::join(block.sizes(), ", "), last - first, width());
    }
    blocks.push_back(block);
    if (progress) {
      progress({.label = "encode texts",
                .unit = "texts",
                .done = static_cast<int64_t>(end),
                .total = static_cast<int64_t>(data_.texts.size()),
                .detail = {}});
    }
  }
  return at::cat(blocks);
}

RetrievalReport RetrievalBenchmark::run(const TextEncoder& encode,
                                        const ProgressCallback& progress) const {
  RetrievalReport report;
  report.protocol["pool"] =
      fmt::format("the {} images of {}", data_.images.size(0), data_.pool_source);
  report.protocol["ranking"] =
      "inner product of unit vectors, summed in float64 and rounded to float32; of equal scores "
      "the lower row first";
  report.counts["images"] = data_.images.size(0);
  report.counts["distinct_texts"] = static_cast<int64_t>(data_.texts.size());
  const at::Tensor vectors = encode_texts(encode, progress);
  if (!data_.caption_texts.empty()) measure_captions(vectors, report);
  if (!data_.pairs.empty()) measure_pairs(vectors, report);
  return report;
}

void RetrievalBenchmark::measure_captions(const at::Tensor& vectors,
                                          RetrievalReport& report) const {
  const at::Tensor captions = select(vectors, data_.caption_texts);
  std::vector<int64_t> pool_row_of_caption;
  for (const int64_t image : data_.caption_images)
    pool_row_of_caption.push_back(data_.queried_images[static_cast<size_t>(image)]);
  report.caption_ranks = text_to_image_ranks(captions, data_.images, pool_row_of_caption);
  report.image_ranks = image_to_text_ranks(captions, select(data_.images, data_.queried_images),
                                           data_.caption_images, data_.caption_texts);
  for (const int64_t k : recall_k_)
    report.metrics[fmt::format("t2i_recall@{}", k)] = recall_percent(report.caption_ranks, k);
  for (const int64_t k : recall_k_)
    report.metrics[fmt::format("i2t_recall@{}", k)] = recall_percent(report.image_ranks, k);
  report.protocol["t2i_recall@k"] =
      "share of captions whose image is among the top k images of the pool";
  report.protocol["i2t_recall@k"] =
      "share of images with any of their captions among the top k of all captions; a caption that "
      "several images share is right for each";
  report.counts["captions"] = static_cast<int64_t>(data_.caption_texts.size());
  report.counts["captions_left_out"] = data_.captions_left_out;
  report.counts["images_with_captions"] = static_cast<int64_t>(data_.queried_images.size());
}

void RetrievalBenchmark::measure_pairs(const at::Tensor& vectors, RetrievalReport& report) const {
  report.pair_values = paraphrased_retrieval(vectors, data_.pairs, data_.images, k_);
  report.metrics[fmt::format("ao@{}", k_)] =
      mean_percent(report.pair_values, &RankSimilarity::average_overlap);
  report.metrics[fmt::format("js@{}", k_)] =
      mean_percent(report.pair_values, &RankSimilarity::jaccard);
  report.protocol["ao@k"] =
      "average overlap of the top k images of query and paraphrase: mean over d = 1..k of the "
      "common share of the first d; mean over pairs";
  report.protocol["js@k"] =
      "Jaccard similarity of the sets of top k images of query and paraphrase; mean over pairs";
  report.counts["pairs"] = static_cast<int64_t>(data_.pairs.size());
}

void RetrievalBenchmark::write_examples(const RetrievalReport& report,
                                        const std::filesystem::path& path) const {
  AtomicFile file(path);
  const auto write = [&file](const Json& line) { file.write(dump_json(line) + "\n"); };
  const auto text = [this](int64_t row) { return data_.texts[static_cast<size_t>(row)]; };
  const auto image_id = [this](int64_t query) {
    return data_.image_ids[static_cast<size_t>(data_.queried_images[static_cast<size_t>(query)])];
  };
  for (size_t i = 0; i < report.caption_ranks.size(); ++i) {
    write({{"task", "t2i"},
           {"caption", text(data_.caption_texts[i])},
           {"image_id", image_id(data_.caption_images[i])},
           {"rank", report.caption_ranks[i]}});
  }
  for (size_t i = 0; i < report.image_ranks.size(); ++i) {
    write({{"task", "i2t"},
           {"image_id", image_id(static_cast<int64_t>(i))},
           {"rank", report.image_ranks[i]}});
  }
  for (size_t i = 0; i < report.pair_values.size(); ++i) {
    write({{"task", "pairs"},
           {"query", text(data_.pairs[i].first)},
           {"paraphrase", text(data_.pairs[i].second)},
           {fmt::format("ao@{}", k_), 100 * report.pair_values[i].average_overlap},
           {fmt::format("js@{}", k_), 100 * report.pair_values[i].jaccard}});
  }
  file.commit();
}

}  // namespace paraclip
