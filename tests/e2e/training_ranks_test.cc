// paraclip train in several processes: the same training as in one.

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/io/safetensors.h"
#include "tests/e2e/mpirun.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <future>
#include <sstream>

namespace paraclip {
namespace {

namespace fs = std::filesystem;
using test::Finished;
using test::mpirun;

const fs::path kGolden = fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/clip/full";

// Of losses, and of weights relative to the largest of their tensor: sums are taken in another
// order.
constexpr double kTolerance = 1e-6;

class TrainingRanks : public testing::Test {
 protected:
  // 16 triples: 4 steps an epoch.
  std::vector<std::string> train(const std::string& output, int64_t epochs = 3) const {
    const std::string golden = kGolden.string();
    return {test::program(),
            "train",
            "--model",
            golden + "/model",
            "--triples",
            golden + "/triples.jsonl",
            "--image-embeddings",
            golden + "/embeddings",
            "--batch-size",
            "4",
            "--epochs",
            std::to_string(epochs),
            "--log-every",
            "1",
            "--threads",
            "1",
            "-o",
            (folder / output).string()};
  }

  std::vector<double> losses(const std::string& run) const {
    std::vector<double> values;
    std::istringstream lines(read_file(folder / run / "metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const Json json = parse_json(line, "metrics");
      if (json.at("kind") == "train") values.push_back(json.at("loss").get<double>());
    }
    return values;
  }

  std::string model_of(const std::string& run) const {
    return (folder / run / "last/model.safetensors").string();
  }

  test::TemporaryFolder folder;
};

TEST_F(TrainingRanks, TwoProcessesTrainAsOne) {
  PARACLIP_NEEDS_MPIRUN();
  const Finished alone = test::run_program(train("one"));
  ASSERT_EQ(alone.code, 0) << alone.output;
  const Finished together = mpirun(2, train("two"));
  ASSERT_EQ(together.code, 0) << together.output;
  EXPECT_EQ(together.output.find("12 steps in"), together.output.rfind("12 steps in"))
      << "printed by each rank: " << together.output;

  const std::vector<double> expected = losses("one"), found = losses("two");
  ASSERT_EQ(expected.size(), 12U);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], kTolerance * expected[i]) << "step " << i + 1;
  }
  const SafetensorsFile one = SafetensorsFile::open(model_of("one"));
  const SafetensorsFile two = SafetensorsFile::open(model_of("two"));
  double worst = 0;
  for (const std::string& name : one.names()) {
    const at::Tensor weights = one.tensor(name);
    if (!weights.is_floating_point()) continue;
    const double difference = (weights - two.tensor(name)).abs().max().item<double>();
    const double size = std::max(weights.abs().max().item<double>(), 1e-2);
    EXPECT_LT(difference, kTolerance * size) << name;
    worst = std::max(worst, difference / size);
  }
  fmt::print("largest difference of weights: {:.1e}\n", worst);
}

TEST_F(TrainingRanks, ARunOfTwoIsTheSameBytesEveryTime) {
  PARACLIP_NEEDS_MPIRUN();
  ASSERT_EQ(mpirun(2, train("a")).code, 0);
  ASSERT_EQ(mpirun(2, train("b")).code, 0);
  EXPECT_EQ(read_file(model_of("a")), read_file(model_of("b")));
}

TEST_F(TrainingRanks, AStopThatOneRankIsAskedForStopsAllAndResumes) {
  PARACLIP_NEEDS_MPIRUN();
  constexpr int64_t kEpochs = 60;
  ASSERT_EQ(mpirun(2, train("whole", kEpochs)).code, 0);

  // Each rank leaves its process id; rank 1 alone is told to stop, in the middle.
  const std::string pids = (folder / "pid.").string();
  std::vector<std::string> words = train("stopped", kEpochs);
  words.insert(words.begin(),
               {"sh", "-c", "echo $$ >" + pids + "$OMPI_COMM_WORLD_RANK; exec \"$@\"", "sh"});
  auto run = std::async(std::launch::async, [&] { return mpirun(2, words); });
  const auto over = [&] {
    return run.wait_for(std::chrono::milliseconds(5)) == std::future_status::ready;
  };
  const fs::path metrics = folder / "stopped/metrics.jsonl";
  while (!over() && (!fs::exists(metrics) || losses("stopped").size() < 10)) continue;
  ASSERT_FALSE(over()) << run.get().output;
  ::kill(std::stoi(read_file(pids + "1")), SIGTERM);
  const Finished finished = run.get();
  EXPECT_EQ(finished.code, exit_code(ErrorKind::kInterrupted)) << finished.output;
  EXPECT_NE(finished.output.find("interrupted at step"), std::string::npos) << finished.output;
  EXPECT_LT(losses("stopped").size(), 240U);

  auto resume = train("stopped", kEpochs);
  resume.push_back("--resume");
  const Finished resumed = mpirun(2, resume);
  ASSERT_EQ(resumed.code, 0) << resumed.output;
  EXPECT_EQ(read_file(model_of("stopped")), read_file(model_of("whole")));
}

TEST_F(TrainingRanks, ARankWithOtherDataIsNamed) {
  PARACLIP_NEEDS_MPIRUN();
  const fs::path other = folder / "other.jsonl";
  std::string triples = read_file(kGolden / "triples.jsonl");
  triples.at(triples.find("\"caption\": \"") + 12) = 'Z';
  write_file_atomic(other, triples);
  std::vector<std::string> words = train("o");
  words.insert(words.end(), {":", "-n", "1"});
  for (const std::string& word : train("o")) {
    words.push_back(word.ends_with("triples.jsonl") ? other.string() : word);
  }
  const Finished result = mpirun(1, words);
  EXPECT_EQ(result.code, exit_code(ErrorKind::kUsage)) << result.output;
  EXPECT_NE(result.output.find("rank 1 differs from rank 0: its triples is"), std::string::npos)
      << result.output;
  EXPECT_FALSE(fs::exists(folder / "o/checkpoints"));
}

TEST_F(TrainingRanks, ABatchThatRanksCannotShareIsAnError) {
  PARACLIP_NEEDS_MPIRUN();
  const Finished result = mpirun(3, train("o"));
  EXPECT_EQ(result.code, exit_code(ErrorKind::kUsage)) << result.output;
  EXPECT_NE(result.output.find("--batch-size 4: expected a multiple of the 3 processes"),
            std::string::npos)
      << result.output;
}

}  // namespace
}  // namespace paraclip
