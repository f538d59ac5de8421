#include "paraclip/paraphrase/pipeline.h"

#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/base/signals.h"
#include "tests/base/expect_error.h"
#include "tests/paraphrase/fake_backend.h"
#include "tests/support.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

namespace paraclip {
namespace {

using test::expect_error;
using test::FakeBackend;
using test::Killed;

Recipe test_recipe() {
  Recipe recipe;
  recipe.name = "test";
  for (RecipeStep& step : recipe.steps) {
    step.prompt = "Rewrite: {}";
    step.sampling = {.temperature = 1.0, .top_p = 1.0, .max_tokens = 20, .candidates = 2};
    step.attempts = 3;
  }
  return recipe;
}

CaptionList test_captions(const std::vector<std::string>& texts) {
  CaptionList captions;
  for (size_t i = 0; i < texts.size(); ++i)
    captions.add(static_cast<int64_t>(i), "image" + std::to_string(i), texts[i]);
  captions.counts.read = captions.counts.kept = static_cast<int64_t>(texts.size());
  return captions;
}

CaptionList mixed_captions() {
  return test_captions({"a dog on sand", "a cat in a hat", "a hopeless case here", "two birds fly",
                        "a broken request", "a red car parked", "a boat at sea", "a boat at sea"});
}

std::vector<Json> read_records(const std::filesystem::path& path) {
  std::vector<Json> records;
  const std::string text = read_file(path);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    records.push_back(parse_json(text.substr(begin, end - begin), path.string()));
    begin = end + 1;
  }
  return records;
}

class PipelineTest : public testing::Test {
 protected:
  PipelineOptions options(const std::string& folder) const {
    return {.output = folder_ / folder, .recipe = test_recipe(), .seed = 5};
  }

  // What a run leaves behind, all files in one.
  std::string outputs(const std::string& folder) const {
    std::string text;
    for (const char* name : {"triples.jsonl", "rejects.jsonl", "stats.json"})
      text += read_file(folder_ / folder / name);
    return text;
  }

  std::filesystem::path file(const std::string& folder, const char* name) const {
    return folder_ / folder / name;
  }

  const test::TemporaryFolder folder_;
};

TEST_F(PipelineTest, WritesTriplesRejectsAndStatistics) {
  const CaptionList captions = mixed_captions();
  FakeBackend backend(/*slots=*/3);
  const RunStatistics statistics = run_pipeline(captions, options("out"), backend, {});

  const std::vector<Json> triples = read_records(file("out", "triples.jsonl"));
  EXPECT_EQ(static_cast<size_t>(statistics.triples), triples.size());
  EXPECT_GE(triples.size(), 4u);
  int64_t last = -1;
  for (const Json& triple : triples) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : triple.items()) keys.push_back(key);
    EXPECT_EQ(keys, (std::vector<std::string>{"index", "image_id", "caption", "paraphrase_1",
                                              "paraphrase_2"}));
    EXPECT_GT(triple["index"], last);
    last = triple["index"];
    EXPECT_NE(triple["paraphrase_1"], triple["caption"]);
    EXPECT_NE(triple["paraphrase_2"], triple["paraphrase_1"]);
    EXPECT_NE(triple["paraphrase_2"], triple["caption"]);
  }

  std::map<std::string, int> reasons;
  for (const Json& reject : read_records(file("out", "rejects.jsonl")))
    ++reasons[reject["reason"].get<std::string>()];
  EXPECT_EQ(reasons["failed"], 1);
  EXPECT_EQ(reasons["no_output"], statistics.steps[0].rejected + statistics.steps[1].rejected);
  EXPECT_EQ(statistics.steps[0].failed, 1);
  EXPECT_GE(statistics.steps[0].rejected, 1);
  for (const Reject reason : {Reject::kCopy, Reject::kRefusal}) {
    const auto i = static_cast<size_t>(reason);
    EXPECT_EQ(reasons[std::string(reject_name(reason))],
              statistics.steps[0].reasons[i] + statistics.steps[1].reasons[i]);
  }
  EXPECT_EQ(statistics.triples + statistics.steps[0].rejected + statistics.steps[1].rejected +
                statistics.steps[0].failed + statistics.steps[1].failed,
            static_cast<int64_t>(captions.size()));
  const int64_t requests = statistics.steps[0].requests + statistics.steps[1].requests;
  EXPECT_EQ(statistics.completion_tokens, 10 * requests);
  EXPECT_EQ(read_json(file("out", "stats.json"))["triples"], statistics.triples);
}

TEST_F(PipelineTest, HopelessCaptionsGetAllTheirAttemptsAndNoMore) {
  FakeBackend backend;
  const RunStatistics statistics =
      run_pipeline(test_captions({"a hopeless case"}), options("out"), backend, {});
  EXPECT_EQ(statistics.steps[0].requests, 3);
  EXPECT_EQ(statistics.steps[0].rejected, 1);
  EXPECT_EQ(backend.asked.size(), 3u) << "each attempt has a seed of its own";
}

TEST_F(PipelineTest, TheOrderOfAnswersDoesNotMatter) {
  const CaptionList captions = mixed_captions();
  FakeBackend serial;
  run_pipeline(captions, options("serial"), serial, {});
  for (const uint64_t order : {1, 2, 3}) {
    FakeBackend backend(/*slots=*/5, order);
    const std::string name = "order" + std::to_string(order);
    run_pipeline(captions, options(name), backend, {});
    EXPECT_EQ(outputs(name), outputs("serial"));
  }
}

TEST_F(PipelineTest, FollowsACaptionThroughBeforeItTakesNewOnes) {
  FakeBackend backend;
  run_pipeline(mixed_captions(), options("out"), backend, {});
  int64_t newest = 0;
  for (const Json& record : read_records(file("out", "journal.jsonl"))) {
    if (!record.contains("index")) continue;
    const int64_t index = record["index"];
    EXPECT_GE(index, newest);
    newest = index;
  }
}

TEST_F(PipelineTest, KilledAtEveryPointItEndsTheSameAndPaysOnce) {
  const CaptionList captions = mixed_captions();
  FakeBackend whole(/*slots=*/3);
  run_pipeline(captions, options("whole"), whole, {});
  const auto total = static_cast<int>(whole.answered.size());
  ASSERT_GT(total, 15);
  for (int point = 0; point < total; ++point) {
    SCOPED_TRACE(point);
    const std::string name = "killed" + std::to_string(point);
    FakeBackend first(/*slots=*/3, /*order=*/7);
    first.answers_left = point;
    EXPECT_THROW(run_pipeline(captions, options(name), first, {}), Killed);
    EXPECT_FALSE(std::filesystem::exists(file(name, "triples.jsonl")));
    FakeBackend second(/*slots=*/2, /*order=*/8);
    run_pipeline(captions, options(name), second, {});
    EXPECT_EQ(outputs(name), outputs("whole"));
    EXPECT_EQ(first.answered.size() + second.answered.size(), static_cast<size_t>(total));
    for (const auto& [question, times] : second.asked) {
      EXPECT_EQ(times, 1) << question;
      EXPECT_FALSE(first.answered.contains(question)) << question;
    }
  }
}

TEST_F(PipelineTest, KilledAfterEveryAnswerItStillEnds) {
  const CaptionList captions = mixed_captions();
  FakeBackend whole;
  run_pipeline(captions, options("whole"), whole, {});
  std::map<std::string, int> answered;
  for (bool ended = false; !ended;) {
    FakeBackend backend(/*slots=*/4, /*order=*/answered.size());
    backend.answers_left = 1;
    try {
      run_pipeline(captions, options("out"), backend, {});
      ended = true;
    } catch (const Killed&) {
    }
    for (const auto& [question, times] : backend.answered) answered[question] += times;
  }
  EXPECT_EQ(outputs("out"), outputs("whole"));
  EXPECT_EQ(answered, whole.answered);
}

TEST_F(PipelineTest, ACutLastLineIsAskedAgain) {
  const CaptionList captions = mixed_captions();
  FakeBackend whole;
  run_pipeline(captions, options("whole"), whole, {});
  FakeBackend first;
  first.answers_left = 6;
  EXPECT_THROW(run_pipeline(captions, options("out"), first, {}), Killed);
  const auto journal = file("out", "journal.jsonl");
  std::filesystem::resize_file(journal, std::filesystem::file_size(journal) - 9);
  FakeBackend second;
  run_pipeline(captions, options("out"), second, {});
  EXPECT_EQ(outputs("out"), outputs("whole"));
  EXPECT_EQ(first.answered.size() + second.answered.size(), whole.answered.size() + 1);
}

TEST_F(PipelineTest, AFinishedRunAsksNothing) {
  FakeBackend first;
  run_pipeline(mixed_captions(), options("out"), first, {});
  const std::string before = outputs("out");
  std::filesystem::remove(file("out", "triples.jsonl"));
  FakeBackend second;
  run_pipeline(mixed_captions(), options("out"), second, {});
  EXPECT_TRUE(second.asked.empty());
  EXPECT_EQ(outputs("out"), before);
}

TEST_F(PipelineTest, FailedRequestsAreAskedAgainOnlyOnDemand) {
  FakeBackend first;
  run_pipeline(mixed_captions(), options("out"), first, {});
  FakeBackend healed;
  healed.fail_marked = false;
  EXPECT_EQ(run_pipeline(mixed_captions(), options("out"), healed, {}).steps[0].failed, 1);
  EXPECT_TRUE(healed.asked.empty());
  PipelineOptions retry = options("out");
  retry.retry_failed = true;
  const RunStatistics statistics = run_pipeline(mixed_captions(), retry, healed, {});
  EXPECT_EQ(statistics.steps[0].failed, 0);
  EXPECT_GE(healed.asked.size(), 1u);
  FakeBackend never_failed;
  never_failed.fail_marked = false;
  run_pipeline(mixed_captions(), options("clean"), never_failed, {});
  EXPECT_EQ(read_file(file("out", "triples.jsonl")), read_file(file("clean", "triples.jsonl")));
}

TEST_F(PipelineTest, MoreCaptionsContinueAnEarlierRun) {
  const CaptionList all = mixed_captions();
  CaptionList few;
  for (size_t i = 0; i < 4; ++i) few.add(all[i].index, all[i].image_id, all[i].text);
  FakeBackend first;
  run_pipeline(few, options("out"), first, {});
  FakeBackend second;
  run_pipeline(all, options("out"), second, {});
  for (const auto& [question, times] : second.asked)
    EXPECT_FALSE(first.asked.contains(question)) << question;
  FakeBackend whole;
  run_pipeline(all, options("whole"), whole, {});
  EXPECT_EQ(read_file(file("out", "triples.jsonl")), read_file(file("whole", "triples.jsonl")));
}

TEST_F(PipelineTest, AnotherRecipeSeedOrInputIsRefused) {
  FakeBackend backend;
  run_pipeline(mixed_captions(), options("out"), backend, {});
  PipelineOptions seed = options("out");
  seed.seed = 6;
  expect_error(ErrorKind::kUsage, {"journal.jsonl", "another seed", "it has 5, this run 6"},
               [&] { run_pipeline(mixed_captions(), seed, backend, {}); });
  PipelineOptions recipe = options("out");
  recipe.recipe.steps[1].sampling.top_p = 0.5;
  expect_error(ErrorKind::kUsage, {"journal.jsonl", "another recipe"},
               [&] { run_pipeline(mixed_captions(), recipe, backend, {}); });
  expect_error(ErrorKind::kUsage, {"journal.jsonl", "caption 0 had another text"},
               [&] { run_pipeline(test_captions({"a zebra"}), options("out"), backend, {}); });
}

TEST_F(PipelineTest, AChangedJournalIsRefused) {
  FakeBackend backend;
  run_pipeline(mixed_captions(), options("out"), backend, {});
  const std::string whole = read_file(file("out", "journal.jsonl"));
  const size_t header = whole.find('\n') + 1;
  const size_t first = whole.find('\n', header) + 1;
  const auto refused = [&](const std::string& content, std::initializer_list<std::string> message) {
    write_file_atomic(file("out", "journal.jsonl"), content);
    expect_error(ErrorKind::kData, message,
                 [&] { run_pipeline(mixed_captions(), options("out"), backend, {}); });
  };
  refused(whole + whole.substr(header, first - header), {"journal.jsonl, line", "does not follow"});
  refused(whole.substr(0, header) + "{\"index\": 0}\n", {"line 2", "\"step\" is missing"});
  refused(whole.substr(0, header) + "nonsense\n", {"line 2", "not valid JSON"});
  refused("{\"a\": 1}\n", {"is not a journal of paraphrases"});
}

TEST_F(PipelineTest, AnInterruptedRunSaysHowToGoOnAndLeavesNothingHalf) {
  const auto interrupted = [&] {
    install_stop_handler();
    std::raise(SIGINT);
    FakeBackend backend;
    expect_error(ErrorKind::kInterrupted,
                 {"8 of 8 captions left", "journal.jsonl", "run the same command"},
                 [&] { run_pipeline(mixed_captions(), options("out"), backend, {}); });
    std::exit(testing::Test::HasFailure() ? 1 : 0);
  };
  EXPECT_EXIT(interrupted(), testing::ExitedWithCode(0), "");
  EXPECT_FALSE(std::filesystem::exists(file("out", "triples.jsonl")));
}

TEST_F(PipelineTest, TwoRunsCannotShareAFolder) {
  FakeBackend backend;
  std::filesystem::create_directories(folder_ / "out");
  const AppendFile other(file("out", "journal.jsonl"));
  expect_error(ErrorKind::kUsage, {"in use by another run"},
               [&] { run_pipeline(mixed_captions(), options("out"), backend, {}); });
}

TEST_F(PipelineTest, ReportsProgressToTheEnd) {
  FakeBackend backend;
  std::vector<ProgressState> states;
  run_pipeline(mixed_captions(), options("out"), backend,
               [&](const ProgressState& state) { states.push_back(state); });
  EXPECT_EQ(states.front().done, 0);
  EXPECT_EQ(states.back().done, 8);
  EXPECT_EQ(states.back().total, 8);
}

TEST_F(PipelineTest, EstimatesCost) {
  const CostEstimate cost = estimate_cost(test_captions({"12345678"}), test_recipe());
  EXPECT_EQ(cost.requests, 2);
  EXPECT_EQ(cost.prompt_tokens, 2 * (4 + 5));  // "Rewrite: 12345678" is 17 bytes
  EXPECT_EQ(cost.completion_tokens, 2 * 2 * 2);
}

}  // namespace
}  // namespace paraclip
