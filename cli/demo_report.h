#pragma once

#include "paraclip/base/json.h"

#include <filesystem>
#include <string>
#include <vector>

namespace paraclip::cli {

/// The first images of both phrasings under one model.
struct RankedPair {
  std::vector<std::string> query_images, paraphrase_images;  ///< Image ids, best first.
  double average_overlap = 0;                                ///< AO@k, percent.
};

/// A pair of queries that stands in the report with its images.
struct ShownPair {
  std::string query, paraphrase;
  RankedPair base, tuned;
};

/// What the report of the demo is made from.
struct DemoReport {
  /// Where the run lies: triples/{triples,rejects}.jsonl, triples/stats.json, run/metrics.jsonl,
  /// scenes/train/images, scenes/test/images and scenes/test/captions.tsv.
  std::filesystem::path folder;
  Json summary;  ///< As in summary.json.
  /// At equal distances between the pair with the greatest gain and that with the greatest loss, as
  /// the page says. The first six images of each list are shown.
  std::vector<ShownPair> pairs;
};

/// One self-contained HTML page: no script, font or picture from elsewhere. Throws kIo, kData.
std::string render_demo_report(const DemoReport& report);

}  // namespace paraclip::cli
