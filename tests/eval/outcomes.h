#pragma once

#include "paraclip/base/file.h"
#include "paraclip/eval/benchmark.h"
#include "paraclip/io/image_embeddings.h"
#include "paraclip/io/npy.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <string>
#include <vector>

namespace paraclip::test {

inline const Metric& metric(const Outcome& outcome, const std::string& name) {
  for (const Metric& candidate : outcome.metrics) {
    if (candidate.name == name) return candidate;
  }
  ADD_FAILURE() << "there is no metric " << name;
  return outcome.metrics.at(0);
}

/// The number of units that a metric is a function of.
inline size_t units(const Outcome& outcome, const std::string& name) {
  const std::vector<int64_t>& strata = outcome.samples.at(metric(outcome, name).sample).strata;
  return static_cast<size_t>(std::accumulate(strata.begin(), strata.end(), int64_t{0}));
}

/// The metric on the data as it is.
inline double value(const Outcome& outcome, const std::string& name) {
  return metric(outcome, name).statistic(std::vector<double>(units(outcome, name), 1.0));
}

inline std::vector<std::string> metric_names(const Outcome& outcome) {
  std::vector<std::string> names;
  for (const Metric& candidate : outcome.metrics) names.push_back(candidate.name);
  return names;
}

inline int64_t count(const Benchmark& benchmark, const std::string& name) {
  for (const auto& [key, value] : benchmark.counts()) {
    if (key == name) return value;
  }
  ADD_FAILURE() << "there is no count " << name;
  return -1;
}

/// Embeddings of images with these ids, in a folder that is made for them.
inline ImageEmbeddings make_embeddings(const std::filesystem::path& folder,
                                       const std::vector<std::string>& ids) {
  make_directories(folder / "img_emb");
  const at::Tensor rows = at::zeros({static_cast<int64_t>(ids.size()), 2});
  rows.select(1, 0).fill_(1);
  write_npy(folder / "img_emb/img_emb_0.npy", rows);
  std::string text;
  for (const std::string& id : ids) text += id + "\n";
  write_file_atomic(folder / "ids.txt", text);
  return ImageEmbeddings::load(folder);
}

}  // namespace paraclip::test
