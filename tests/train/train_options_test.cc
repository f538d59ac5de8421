#include "paraclip/train/train_options.h"

#include "tests/support.h"

namespace paraclip {
namespace {

TEST(TrainOptions, SizesOfMemoryAreRead) {
  const std::pair<const char*, int64_t> sizes[] = {{"1000", 1000},
                                                   {"4GB", 4'000'000'000},
                                                   {"4 gb", 4'000'000'000},
                                                   {"1.5GiB", 3LL << 29},
                                                   {"800MB", 800'000'000},
                                                   {"2KiB", 2048},
                                                   {"1TB", 1'000'000'000'000}};
  for (const auto& [text, bytes] : sizes) EXPECT_EQ(parse_memory(text, "--memory"), bytes) << text;
  for (const char* text : {"0", "0GB", "", "GB", "4XB", "-1GB", "nan", "1e30GB", "4GB4", "0.1"}) {
    EXPECT_NE(test::error_of([&] { parse_memory(text, "--memory"); }).find("--memory: expected"),
              std::string::npos)
        << text;
  }
  EXPECT_GT(default_memory(), 1 << 20);
}

TEST(TrainOptions, WhatDeterminesTheResultIsPartOfTheTrajectory) {
  TrainOptions options;
  options.output = "run";
  options.validate();
  const Json before = options.trajectory();
  options.memory = 12345678;
  options.patience = 3;
  options.keep_checkpoints = 4;
  EXPECT_EQ(options.trajectory(), before);
  const auto differs = [&](auto change) {
    TrainOptions other = options;
    change(other);
    return other.trajectory() != before;
  };
  EXPECT_TRUE(differs([](TrainOptions& o) { o.precision = Precision::kBf16; }));
  EXPECT_TRUE(differs([](TrainOptions& o) { o.layer_decay = 0.9; }));
  EXPECT_TRUE(differs([](TrainOptions& o) { o.lora_rank = 4; }));
}

TEST(TrainOptions, WhatCannotBeIsRefusedByItsName) {
  const auto error = [](auto change) {
    TrainOptions options;
    options.output = "run";
    change(options);
    return test::error_of([&] { options.validate(); });
  };
  EXPECT_EQ(error([](TrainOptions&) {}), "no error");
  EXPECT_EQ(error([](TrainOptions& o) { o.memory = 0; }), "--memory: expected a size above 0");
  EXPECT_EQ(error([](TrainOptions& o) { o.layer_decay = 0; }),
            "--layer-decay: expected a number in (0, 1]");
  EXPECT_EQ(error([](TrainOptions& o) { o.keep_checkpoints = 0; }),
            "--keep-checkpoints: expected at least 1");
  EXPECT_EQ(error([](TrainOptions& o) { o.lora_rank = -1; }), "--lora-rank: expected 0 or more");
}

}  // namespace
}  // namespace paraclip
