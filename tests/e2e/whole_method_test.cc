// The method from captions to metrics on real files, with nothing but the program: paraphrase,
// train, resume, eval.

#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "tests/support.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

class WholeMethod : public testing::Test {
 protected:
  // Runs the program without any environment: it needs no Python, no PATH. Returns what it printed.
  std::string run(const std::string& arguments) {
    const std::string command = fmt::format("env -i '{}' {} --quiet >'{}'", test::program(),
                                            arguments, (folder / "out").string());
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return read_file(folder / "out");
  }

  // Its metrics by name.
  std::map<std::string, double> evaluate(const fs::path& model) {
    const Json report = parse_json(
        run(fmt::format(
            "eval --json --no-cache --model '{}' --image-embeddings '{}/embeddings' --images "
            "'{}/dev.txt' --captions '{}/captions_dev.tsv' --pairs '{}/pairs_dev.tsv'",
            model.string(), data, data, data, data)),
        "eval");
    std::map<std::string, double> metrics;
    for (const auto& [name, metric] : report.at("benchmarks").at("own").at("metrics").items())
      metrics[name] = metric.at("value").get<double>();
    return metrics;
  }

  test::TemporaryFolder folder;
  std::string data = (test::shared_folder() / "data/flickr8k").string();
};

TEST_F(WholeMethod, FromCaptionsToMetrics) {
  PARACLIP_NEEDS_SHARED("models/flickr8k-base/model.safetensors");
  const fs::path base = test::shared_folder() / "models/flickr8k-base";
  const Json paraphrased =
      parse_json(run(fmt::format("paraphrase '{}/captions_train.tsv' -o '{}' --limit 24 --json",
                                 data, (folder / "triples").string())),
                 "paraphrase");
  const std::string triples = read_file(folder / "triples/triples.jsonl");
  const auto count = std::count(triples.begin(), triples.end(), '\n');
  ASSERT_GE(count, 8) << dump_json(paraphrased, 2);

  const std::string train = fmt::format(
      "train --json --model '{}' --triples '{}' --image-embeddings '{}/embeddings' --batch-size 4 "
      "--epochs 2 --lr 1e-4 --warmup 2 --eval-every 2 --eval-pairs '{}/pairs_dev.tsv' "
      "--eval-images '{}/dev.txt' -o '{}'",
      base.string(), (folder / "triples/triples.jsonl").string(), data, data, data,
      (folder / "run").string());
  const Json trained = parse_json(run(train), "train");
  EXPECT_EQ(trained.at("steps").get<int64_t>(), 2 * (count / 4));
  EXPECT_EQ(trained.at("skipped").get<int64_t>(), 0);
  EXPECT_TRUE(fs::exists(folder / "run/metrics.jsonl"));

  const auto before = evaluate(base);
  const auto after = evaluate(folder / "run/last");
  EXPECT_NEAR(before.at("ao@10"), trained.at("metrics").at("base").at("ao@10").get<double>(), 1e-9);
  EXPECT_NEAR(after.at("ao@10"), trained.at("metrics").at("last").at("ao@10").get<double>(), 1e-3);
  // A few small steps neither leave the model as it was nor destroy it.
  EXPECT_NE(after, before);
  EXPECT_GT(after.at("t2i_recall@10"), before.at("t2i_recall@10") - 10);
}

}  // namespace
}  // namespace paraclip
