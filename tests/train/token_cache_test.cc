#include "paraclip/train/token_cache.h"

#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/base/random.h"
#include "paraclip/train/training_set.h"
#include "tests/train/golden_data.h"

#include <spdlog/sinks/ostream_sink.h>

#include <cstring>
#include <functional>
#include <memory>
#include <sstream>
#include <thread>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

const std::string kIncomplete =
    R"({"image_id":"image-00","caption":"a","paraphrase_1":null,"paraphrase_2":null})"
    "\n";
const std::string kUnknown =
    R"({"image_id":"nowhere","caption":"a","paraphrase_1":"b","paraphrase_2":"c"})"
    "\n";

// The golden triples, records that are left out and a text that is cut.
class TokenCacheTest : public testing::Test {
 protected:
  TokenCacheTest() {
    std::string text;
    for (int i = 0; i < 40; ++i) text += "zebra ";
    write_triples(kUnknown + read_file(test::golden_clip() / "triples.jsonl") + kIncomplete +
                  R"({"image_id":"image-03","caption":")" + text +
                  R"(","paraphrase_1":"b","paraphrase_2":"c"})" + "\n");
    log().sinks().push_back(sink_);
  }
  ~TokenCacheTest() override { log().sinks().pop_back(); }

  void write_triples(const std::string& jsonl) { write_file_atomic(triples, jsonl); }

  // Texts of so many records are tokenized by load().
  TrainingSet load(const fs::path& token_cache) {
    tokenized = 0;
    return TrainingSet::load(
        triples, images, model, /*max_missing=*/0.5, [&](const ProgressState&) { ++tokenized; },
        token_cache);
  }

  // The files in the cache's folder.
  std::vector<fs::path> files() const {
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(cache)) paths.push_back(entry.path());
    return paths;
  }

  // What load() warned of since the last call.
  std::string warnings() {
    const std::string text = log_.str();
    log_.str("");
    return text;
  }

  test::TemporaryFolder folder;
  fs::path triples = folder / "triples.jsonl", cache = folder / "caches" / "tokens";
  ImageEmbeddings images = ImageEmbeddings::load(test::golden_clip() / "embeddings");
  TextModel model = TextModel::load(test::golden_clip() / "model");
  int64_t tokenized = 0;

 private:
  std::ostringstream log_;
  spdlog::sink_ptr sink_ = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
};

TEST_F(TokenCacheTest, ASecondLoadTokenizesNothingAndGivesTheSame) {
  const TrainingSet plain = load("");
  EXPECT_EQ(tokenized, 19);
  const TrainingSet first = load(cache);
  EXPECT_EQ(tokenized, 19);
  const TrainingSet second = load(cache);
  EXPECT_EQ(tokenized, 0);
  EXPECT_EQ(files().size(), 1U);
  EXPECT_EQ(warnings(), "");
  for (const TrainingSet* set : {&first, &second}) {
    EXPECT_EQ(set->fingerprint(), plain.fingerprint());
    EXPECT_EQ(set->report().read, 19);
    EXPECT_EQ(set->report().kept, 17);
    EXPECT_EQ(set->report().incomplete, 1);
    EXPECT_EQ(set->report().truncated, 5);
    EXPECT_EQ(set->report().missing_ids, std::vector<std::string>{"nowhere"});
    for (int64_t sample = 0; sample < plain.size(); ++sample) {
      EXPECT_EQ(set->image_row(sample), plain.image_row(sample));
      for (const auto part :
           {TrainingSet::kCaption, TrainingSet::kParaphrase1, TrainingSet::kParaphrase2}) {
        EXPECT_EQ(set->tokens(sample, part), plain.tokens(sample, part));
        EXPECT_EQ(set->identity(sample, part), plain.identity(sample, part));
      }
    }
  }
}

TEST_F(TokenCacheTest, OtherTriplesAndOtherTokenizersHaveTheirOwn) {
  load(cache);
  write_triples(read_file(triples) + kUnknown);
  EXPECT_EQ(load(cache).report().missing, 2);
  EXPECT_EQ(tokenized, 20);
  EXPECT_EQ(files().size(), 2U);

  // The last two merges in the other order.
  const fs::path other = folder / "model";
  fs::copy(test::golden_clip() / "model", other);
  const std::string merges = read_file(other / "merges.txt");
  const size_t line = merges.rfind('\n', merges.size() - 2) + 1;
  std::string swapped = merges.substr(line);
  const size_t before = merges.rfind('\n', line - 2) + 1;
  swapped += merges.substr(before, line - before);
  write_file_atomic(other / "merges.txt", merges.substr(0, before) + swapped);
  model = TextModel::load(other);
  load(cache);
  EXPECT_EQ(tokenized, 20);
  EXPECT_EQ(files().size(), 3U);

  // Another pooled token.
  std::string config = read_file(test::golden_clip() / "model" / "config.json");
  const std::string end_of_old = "\"eos_token_id\": 2,";
  config.replace(config.find(end_of_old), end_of_old.size(), "\"eos_token_id\": 713,");
  write_file_atomic(other / "config.json", config);
  model = TextModel::load(other);
  load(cache);
  EXPECT_EQ(tokenized, 20);
  EXPECT_EQ(files().size(), 4U);
  load(cache);
  EXPECT_EQ(tokenized, 0);
  EXPECT_EQ(warnings(), "");
}

TEST_F(TokenCacheTest, TheJoinIsDoneAgain) {
  load(cache);
  const fs::path other = folder / "embeddings";
  fs::copy(test::golden_clip() / "embeddings", other, fs::copy_options::recursive);
  std::string ids = read_file(other / "ids.txt");
  ids.replace(ids.find("image-03"), 8, "image-xx");
  write_file_atomic(other / "ids.txt", ids);
  images = ImageEmbeddings::load(other);
  const TrainingSet set = load(cache);
  EXPECT_EQ(tokenized, 0);
  EXPECT_EQ(set.report().missing, 3);
  EXPECT_EQ(set.report().truncated, 4);
  EXPECT_EQ(set.fingerprint(), load("").fingerprint());
}

// The numbers of the header by their place.
enum Word : size_t { kMagic, kTriples, kTokenizer, kRecords, kTokens, kIdBytes, kContent };

void set_word(std::string& bytes, size_t word, uint64_t value) {
  std::memcpy(bytes.data() + word * sizeof value, &value, sizeof value);
}

uint64_t word(const std::string& bytes, size_t word) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + word * sizeof value, sizeof value);
  return value;
}

TEST_F(TokenCacheTest, WhatIsDamagedIsMadeAnew) {
  const std::string fingerprint = load(cache).fingerprint();
  const fs::path file = files().at(0);
  const std::string whole = read_file(file);
  const uint64_t records = word(whole, kRecords);
  ASSERT_EQ(records, 19U);
  const auto padded = [](size_t size) { return (size + 63) / 64 * 64; };
  const size_t id_bounds = 64, text_bounds = id_bounds + padded(8 * (records + 1)),
               identities = text_bounds + padded(8 * (3 * records + 1)),
               tokens = identities + padded(8 * 3 * records),
               truncated = tokens + padded(4 * word(whole, kTokens));
  const uint64_t huge = uint64_t{1} << 61;

  struct Damage {
    std::string name, reason;
    std::function<void(std::string&)> make;
  };
  const auto number = [](size_t place, uint64_t value) {
    return [=](std::string& bytes) { set_word(bytes, place, value); };
  };
  const Damage kinds[] = {
      {"empty", "header", [](std::string& bytes) { bytes.clear(); }},
      {"half a header", "header", [](std::string& bytes) { bytes.resize(63); }},
      {"cut", "cut short", [](std::string& bytes) { bytes.resize(bytes.size() - 64); }},
      {"cut in the middle", "cut short",
       [](std::string& bytes) { bytes.resize(bytes.size() - 1000); }},
      {"longer", "behind its end", [](std::string& bytes) { bytes += std::string(64, '\0'); }},
      {"foreign", "begin", [](std::string& bytes) { bytes.assign(4096, 'x'); }},
      {"of other triples", "other triples", number(kTriples, 1)},
      {"of another tokenizer", "other triples", number(kTokenizer, 1)},
      {"records", "counts", number(kRecords, ~uint64_t{0})},
      {"records that overflow", "counts", number(kRecords, huge)},
      {"tokens", "counts", number(kTokens, huge + 1)},
      {"id bytes", "counts", number(kIdBytes, ~uint64_t{0})},
      {"fewer records", "behind its end", number(kRecords, records - 8)},
      {"a hash", "hash", number(kContent, 1)},
      {"first id", "image ids", number(id_bounds / 8, 1)},
      {"ids backwards", "image ids", number(id_bounds / 8 + 3, 0)},
      {"last id", "image ids", number(id_bounds / 8 + records, huge)},
      {"first text", "texts reach", number(text_bounds / 8, 1)},
      {"texts backwards", "texts reach", number(text_bounds / 8 + 7, huge)},
      {"an incomplete record's text", "length",
       number(text_bounds / 8 + 1, word(whole, text_bounds / 8))},
      {"an identity", "hash", number(identities / 8, 1)},
      {"a negative token", "vocabulary", number(tokens / 8, ~uint64_t{0})},
      {"a token beyond", "vocabulary", number(tokens / 8, 714)},
      {"another token", "hash", number(tokens / 8 + 1, 3)},
      {"truncated texts", "three texts", number(truncated / 8, 4)},
      {"an image id", "hash", [](std::string& bytes) { bytes[bytes.find("image-00")] = 'I'; }}};
  for (const Damage& damage : kinds) {
    SCOPED_TRACE(damage.name);
    std::string bytes = whole;
    damage.make(bytes);
    ASSERT_NE(bytes, whole);
    write_file_atomic(file, bytes);
    EXPECT_EQ(load(cache).fingerprint(), fingerprint);
    EXPECT_EQ(tokenized, 19);
    const std::string warning = warnings();
    EXPECT_NE(warning.find(damage.reason), std::string::npos) << warning;
    EXPECT_NE(warning.find(file.string()), std::string::npos) << warning;
    EXPECT_EQ(read_file(file), whole);
  }
}

TEST_F(TokenCacheTest, WhatCannotBeWrittenIsDoneWithout) {
  const std::string fingerprint = load("").fingerprint();
  fs::create_directories(cache.parent_path());
  write_file_atomic(cache, "a file, where a folder should be");
  EXPECT_EQ(load(cache).fingerprint(), fingerprint);
  EXPECT_NE(warnings().find(cache.string()), std::string::npos);
  EXPECT_EQ(load(cache).fingerprint(), fingerprint);
  EXPECT_EQ(tokenized, 19);
}

TEST_F(TokenCacheTest, MalformedTriplesLeaveNone) {
  write_triples(read_file(triples) + "{oops\n");
  EXPECT_NE(test::error_of([&] { load(cache); }).find("line 20"), std::string::npos);
  EXPECT_FALSE(fs::exists(cache));
}

TEST_F(TokenCacheTest, SeveralMayMakeItAtOnce) {
  const std::string fingerprint = load("").fingerprint();
  std::vector<std::thread> threads;
  std::vector<std::string> found(4);
  for (std::string& each : found) {
    threads.emplace_back([&] {
      each =
          TrainingSet::load(triples, images, model, /*max_missing=*/0.5, {}, cache).fingerprint();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& each : found) EXPECT_EQ(each, fingerprint);
  EXPECT_EQ(files().size(), 1U);
  EXPECT_EQ(warnings(), "");
}

}  // namespace
}  // namespace paraclip
