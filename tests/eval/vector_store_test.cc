#include "paraclip/eval/vector_store.h"

#include "paraclip/base/file.h"
#include "tests/support.h"

#include <ATen/ATen.h>

#include <array>
#include <string>
#include <vector>

namespace paraclip {
namespace {

using Key = VectorStore::Key;

std::array<float, 3> vector_of(float start) { return {start, start + 1, start + 2}; }

void fill(VectorStore& store, int from, int to) {
  for (int i = from; i < to; ++i)
    store.add(VectorStore::key_of(std::to_string(i)), vector_of(static_cast<float>(i)));
}

// How many of the vectors 0..count are there, each as it was put in.
int found(const VectorStore& store, int count) {
  int there = 0;
  for (int i = 0; i < count; ++i) {
    const auto row = store.find(VectorStore::key_of(std::to_string(i)));
    if (!row) continue;
    ++there;
    const at::Tensor vector = store.rows(std::array{*row})[0];
    EXPECT_EQ(vector[0].item<float>(), static_cast<float>(i));
    EXPECT_EQ(vector[2].item<float>(), static_cast<float>(i) + 2);
  }
  return there;
}

TEST(VectorStore, KeepsVectorsInMemory) {
  VectorStore store(3);
  fill(store, 0, 5);
  EXPECT_EQ(found(store, 10), 5);
  const at::Tensor rows = store.rows(std::array<int64_t, 3>{4, 0, 4});
  EXPECT_EQ(rows.sizes(), (std::vector<int64_t>{3, 3}));
  EXPECT_EQ(rows[0][0].item<float>(), 4);
  EXPECT_EQ(rows[1][0].item<float>(), 0);
  store.save();  // Nowhere.
}

TEST(VectorStore, KeepsVectorsOnDisk) {
  const test::TemporaryFolder folder;
  const auto file = folder / "deep/v.vectors";
  {
    VectorStore store(3, file);
    fill(store, 0, 5);
    store.save();
    fill(store, 5, 8);
    store.save();
  }
  VectorStore again(3, file);
  EXPECT_EQ(found(again, 10), 8);
  const auto size = std::filesystem::file_size(file);
  again.save();
  EXPECT_EQ(std::filesystem::file_size(file), size);
}

TEST(VectorStore, TwoRunsAppendToOneFile) {
  const test::TemporaryFolder folder;
  const auto file = folder / "v.vectors";
  VectorStore one(3, file), other(3, file);
  fill(one, 0, 3);
  fill(other, 2, 6);
  one.save();
  other.save();
  EXPECT_EQ(found(VectorStore(3, file), 10), 6);
}

TEST(VectorStore, DamagedRecordsAreComputedAnew) {
  const test::TemporaryFolder folder;
  const auto file = folder / "v.vectors";
  {
    VectorStore store(3, file);
    fill(store, 0, 4);
    store.save();
  }
  std::string bytes = read_file(file);
  bytes[16 + 36 + 20] ^= 1;        // A number of the second record.
  bytes.resize(bytes.size() - 5);  // A crash in the middle of the last.
  write_file_atomic(file, bytes);
  VectorStore store(3, file);
  EXPECT_EQ(found(store, 4), 2);
  fill(store, 1, 2);
  fill(store, 3, 4);
  store.save();
  EXPECT_EQ(found(VectorStore(3, file), 4), 4);
}

TEST(VectorStore, AnotherWidthOrAnotherFileIsReplaced) {
  const test::TemporaryFolder folder;
  for (const std::string& content : {std::string("not ours, but long enough"), std::string("x")}) {
    write_file_atomic(folder / "v", content);
    VectorStore store(3, folder / "v");
    fill(store, 0, 2);
    store.save();
    EXPECT_EQ(found(VectorStore(3, folder / "v"), 5), 2);
  }
  VectorStore wider(4, folder / "v");
  EXPECT_FALSE(wider.find(VectorStore::key_of("0")));
  wider.add(VectorStore::key_of("0"), std::array<float, 4>{1, 2, 3, 4});
  wider.save();
  EXPECT_TRUE(VectorStore(4, folder / "v").find(VectorStore::key_of("0")));
}

TEST(VectorStore, WhatCannotBeWrittenIsNoError) {
  const test::TemporaryFolder folder;
  write_file_atomic(folder / "file", "x");
  VectorStore store(3, folder / "file" / "v.vectors");
  fill(store, 0, 2);
  store.save();
  EXPECT_EQ(found(store, 2), 2);
}

}  // namespace
}  // namespace paraclip
