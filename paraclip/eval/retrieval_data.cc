#include "paraclip/eval/retrieval_data.h"

#include "paraclip/base/error.h"
#include "paraclip/eval/caption_files.h"
#include "paraclip/eval/query_pairs.h"
#include "paraclip/io/image_embeddings.h"
#include "paraclip/io/lines.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

namespace paraclip {
namespace {

// The rows of the images `ids`, which `source` names.
std::vector<int64_t> find_rows(const ImageEmbeddings& embeddings,
                               const std::vector<std::string>& ids,
                               const std::filesystem::path& folder, std::string_view source) {
  constexpr size_t kShown = 5;
  std::vector<int64_t> rows;
  std::vector<std::string_view> missing;
  for (const std::string& id : ids) {
    if (const auto row = embeddings.row(id)) {
      rows.push_back(*row);
    } else {
      missing.push_back(id);
    }
  }
  if (missing.empty()) return rows;
  const size_t shown = std::min(missing.size(), kShown);
  fail(ErrorKind::kData,
       "{}: {} of {} images have no embedding in {} ({} images): {}{}; expected the ids of its "
       "ids.txt",
       source, missing.size(), ids.size(), folder.string(), embeddings.size(),
       fmt::join(missing.begin(), missing.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
       missing.size() > shown ? ", ..." : "");
}

void check_depth(int64_t k, int64_t items, std::string_view what) {
  if (k > items) {
    fail(ErrorKind::kUsage, "evaluation looks at the top {} of {} {}; ask for a smaller k", k,
         items, what);
  }
}

// The images to search in and the place that names them.
Numbering read_pool(const RetrievalOptions& options, const std::vector<ImageCaption>& captions,
                    const ImageEmbeddings& embeddings, std::string& source) {
  if (!options.images.empty()) {
    source = options.images.string();
    return read_image_list(options.images);
  }
  Numbering pool;
  if (!captions.empty()) {
    source = options.captions.string();
    for (const ImageCaption& caption : captions) pool.number(caption.image_id);
  } else {
    source = options.image_embeddings.string();
    for (const std::string& id : embeddings.ids()) pool.number(id);
  }
  return pool;
}

void add_captions(const std::vector<ImageCaption>& captions, const Numbering& pool,
                  Numbering& texts, RetrievalData& data) {
  Numbering queried;
  for (const ImageCaption& caption : captions) {
    const auto image = pool.find(caption.image_id);
    if (!image) {
      ++data.captions_left_out;
      continue;
    }
    const int64_t query = queried.number(caption.image_id);
    if (query == static_cast<int64_t>(data.queried_images.size()))
      data.queried_images.push_back(*image);
    data.caption_images.push_back(query);
    data.caption_texts.push_back(texts.number(caption.caption));
  }
  if (data.caption_texts.empty()) {
    fail(ErrorKind::kData, "none of the {} captions is of an image in {}; expected the same ids",
         captions.size(), data.pool_source);
  }
}

}  // namespace

Numbering read_image_list(const std::filesystem::path& path) {
  Numbering images;
  for (const std::string& id : read_lines(path)) {
    if (images.find(id)) {
      fail(ErrorKind::kData, "{} lists the image '{}' twice; expected each image once",
           path.string(), id);
    }
    images.number(id);
  }
  if (images.keys().empty()) fail(ErrorKind::kData, "{} lists no images", path.string());
  return images;
}

void RetrievalOptions::validate() const {
  if (image_embeddings.empty())
    fail(ErrorKind::kUsage, "evaluation needs the folder of the image embeddings");
  if (captions.empty() && pairs.empty())
    fail(ErrorKind::kUsage, "evaluation needs captions or pairs of queries, or both");
  if (k < 1) fail(ErrorKind::kUsage, "the depth of AO@k and JS@k is {}; expected 1 or more", k);
  if (recall_k.empty() || *std::min_element(recall_k.begin(), recall_k.end()) < 1)
    fail(ErrorKind::kUsage, "expected at least one depth of recall@k, each 1 or more");
}

RetrievalData load_retrieval_data(const RetrievalOptions& options) {
  options.validate();
  std::vector<ImageCaption> captions;
  if (!options.captions.empty()) captions = read_caption_file(options.captions).captions;
  std::vector<QueryPair> pairs;
  if (!options.pairs.empty()) pairs = read_query_pairs(options.pairs).pairs;
  const ImageEmbeddings embeddings = ImageEmbeddings::load(options.image_embeddings);

  RetrievalData data;
  Numbering texts;
  const Numbering pool = read_pool(options, captions, embeddings, data.pool_source);
  data.image_ids = pool.keys();
  data.images = embeddings.rows(
      find_rows(embeddings, data.image_ids, options.image_embeddings, data.pool_source));
  if (!captions.empty()) {
    add_captions(captions, pool, texts, data);
    const int64_t depth = *std::max_element(options.recall_k.begin(), options.recall_k.end());
    check_depth(depth, data.images.size(0), "images");
    check_depth(depth, static_cast<int64_t>(data.caption_texts.size()), "captions");
  }
  for (const QueryPair& pair : pairs)
    data.pairs.emplace_back(texts.number(pair.query), texts.number(pair.paraphrase));
  if (!pairs.empty()) check_depth(options.k, data.images.size(0), "images");
  data.texts = texts.keys();
  return data;
}

}  // namespace paraclip
