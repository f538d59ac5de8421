#pragma once

#include "paraclip/base/file.h"
#include "paraclip/eval/benchmark.h"
#include "tests/eval/fake_encoder.h"
#include "tests/eval/outcomes.h"
#include "tests/support.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace paraclip::test {

/// The values of all metrics, every unit counted once, by name.
inline std::map<std::string, double> values_of(const Outcome& outcome) {
  std::map<std::string, double> values;
  for (const std::string& name : metric_names(outcome))
    EXPECT_TRUE(values.emplace(name, value(outcome, name)).second) << name;
  return values;
}

/// The names of the metrics that stand in the short table.
inline std::vector<std::string> headlines_of(const Outcome& outcome) {
  std::vector<std::string> names;
  for (const Metric& metric : outcome.metrics) {
    if (metric.headline) names.push_back(metric.name);
  }
  return names;
}

/// A data folder of a test's own, and an encoder.
class BenchmarkFixture : public testing::Test {
 protected:
  void SetUp() override {
    data_.folder = folder_.path();
    data_.image_tower = true;
  }

  void write(const std::string& name, const std::string& content) {
    const std::filesystem::path path = folder_ / name;
    make_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;  // Hundreds of files: none is fsynced.
  }

  void expect_data_error(LoadedBenchmark (*load)(const BenchmarkData&), const std::string& part) {
    try {
      load(data_);
      ADD_FAILURE() << "no error; expected: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }

  // Cosines as metrics have them, one at a time: float64 sums, rounded to float32.
  double text_cosine(const std::string& first, const std::string& second) {
    return dot(encoder_.encode_texts({first}), encoder_.encode_texts({second}));
  }
  double image_cosine(const EvalImage& image, const std::string& text) {
    return dot(encoder_.encode_images({&image, 1}), encoder_.encode_texts({text}));
  }

  TemporaryFolder folder_;
  BenchmarkData data_;
  FakeEncoder encoder_;

 private:
  static double dot(const at::Tensor& first, const at::Tensor& second) {
    double sum = 0;
    for (int64_t i = 0; i < first.size(1); ++i)
      sum += first[0][i].item<double>() * second[0][i].item<double>();
    return static_cast<float>(sum);
  }
};

}  // namespace paraclip::test
