#include "paraclip/eval/retrieval_data.h"

#include "paraclip/base/error.h"
#include "paraclip/io/image_embeddings.h"
#include "paraclip/io/lines.h"
#include "paraclip/io/tsv.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace paraclip {
namespace {

struct Caption {
  std::string image_id;
  std::string text;
};

struct Pair {
  std::string query;
  std::string paraphrase;
};

// Numbers distinct strings in the order of their first appearance.
class Numbering {
 public:
  int64_t number(const std::string& key) {
    const auto [entry, added] = numbers_.try_emplace(key, static_cast<int64_t>(keys_.size()));
    if (added) keys_.push_back(key);
    return entry->second;
  }
  std::optional<int64_t> find(const std::string& key) const {
    const auto entry = numbers_.find(key);
    return entry == numbers_.end() ? std::nullopt : std::optional(entry->second);
  }
  const std::vector<std::string>& keys() const { return keys_; }

 private:
  std::vector<std::string> keys_;
  std::unordered_map<std::string, int64_t> numbers_;
};

std::string filled(const TsvReader& reader, std::string_view column, std::string_view text) {
  if (text.find_first_not_of(" \t\v\f") == std::string_view::npos) {
    fail(ErrorKind::kData, "{}: column {} is blank; expected a text (leave the row out)",
         reader.where(), column);
  }
  return std::string(text);
}

std::vector<Caption> read_captions(const std::filesystem::path& path) {
  std::vector<Caption> captions;
  TsvReader reader(path, {"image_id", "caption"});
  for (std::vector<std::string_view> row; reader.next(row);)
    captions.push_back({filled(reader, "image_id", row[0]), filled(reader, "caption", row[1])});
  if (captions.empty()) fail(ErrorKind::kData, "{} holds no captions", path.string());
  return captions;
}

std::vector<Pair> read_pairs(const std::filesystem::path& path) {
  std::vector<Pair> pairs;
  TsvReader reader(path, {"query", "paraphrase"});
  for (std::vector<std::string_view> row; reader.next(row);)
    pairs.push_back({filled(reader, "query", row[0]), filled(reader, "paraphrase", row[1])});
  if (pairs.empty()) fail(ErrorKind::kData, "{} holds no pairs of queries", path.string());
  return pairs;
}

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
Numbering read_pool(const RetrievalOptions& options, const std::vector<Caption>& captions,
                    const ImageEmbeddings& embeddings, std::string& source) {
  if (!options.images.empty()) {
    source = options.images.string();
    return read_image_list(options.images);
  }
  Numbering pool;
  if (!captions.empty()) {
    source = options.captions.string();
    for (const Caption& caption : captions) pool.number(caption.image_id);
  } else {
    source = options.image_embeddings.string();
    for (const std::string& id : embeddings.ids()) pool.number(id);
  }
  return pool;
}

void add_captions(const std::vector<Caption>& captions, const Numbering& pool, Numbering& texts,
                  RetrievalData& data) {
  Numbering queried;
  for (const Caption& caption : captions) {
    const auto image = pool.find(caption.image_id);
    if (!image) {
      ++data.captions_left_out;
      continue;
    }
    const int64_t query = queried.number(caption.image_id);
    if (query == static_cast<int64_t>(data.queried_images.size()))
      data.queried_images.push_back(*image);
    data.caption_images.push_back(query);
    data.caption_texts.push_back(texts.number(caption.text));
  }
  if (data.caption_texts.empty()) {
    fail(ErrorKind::kData, "none of the {} captions is of an image in {}; expected the same ids",
         captions.size(), data.pool_source);
  }
}

}  // namespace

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
  std::vector<Caption> captions;
  if (!options.captions.empty()) captions = read_captions(options.captions);
  std::vector<Pair> pairs;
  if (!options.pairs.empty()) pairs = read_pairs(options.pairs);
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
  for (const Pair& pair : pairs) {
    data.query_texts.push_back(texts.number(pair.query));
    data.paraphrase_texts.push_back(texts.number(pair.paraphrase));
  }
  if (!pairs.empty()) check_depth(options.k, data.images.size(0), "images");
  data.texts = texts.keys();
  return data;
}

}  // namespace paraclip
