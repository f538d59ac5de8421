#include "examples/scenes/dataset.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/image/decode.h"
#include "paraclip/io/jsonl.h"
#include "paraclip/io/lines.h"
#include "paraclip/io/tar.h"
#include "paraclip/io/tsv.h"
#include "tests/support.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace paraclip::scenes {
namespace {

namespace fs = std::filesystem;

DatasetOptions small(const fs::path& output) {
  DatasetOptions options;
  options.output = output;
  options.seed = 5;
  options.count = 30;
  options.side = 64;
  options.captions_per_image = 2;
  return options;
}

// The bytes of every file below `folder` by its relative path.
std::map<std::string, std::string> contents(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file())
      files[fs::relative(entry.path(), folder).string()] = read_file(entry.path());
  }
  return files;
}

bool decodes(std::string_view bytes) {
  try {
    const Image image =
        decode_image({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()}, "a scene");
    return image.width == 64 && image.height == 64;
  } catch (const Error&) {
    return false;
  }
}

TEST(Dataset, WritesTheSameBytesTwiceWhateverTheCount) {
  const test::TemporaryFolder folder;
  DatasetOptions options = small(folder / "a");
  options.aro = true;
  const DatasetCounts counts = write_dataset(options, {});
  EXPECT_EQ(counts.scenes, 30);
  EXPECT_EQ(counts.captions, 60);
  EXPECT_GT(counts.relation_cases, 10);
  options.output = folder / "b";
  write_dataset(options, {});
  const auto first = contents(folder / "a");
  EXPECT_EQ(first, contents(folder / "b"));
  EXPECT_EQ(first.size(), 30 + 4);

  options.output = folder / "c";
  options.first = 20;
  options.count = 15;
  write_dataset(options, {});
  const auto later = contents(folder / "c");
  EXPECT_EQ(later.at("images/5-000025.jpg"), first.at("images/5-000025.jpg"));
  EXPECT_FALSE(later.contains("images/5-000019.jpg"));
  EXPECT_TRUE(later.contains("images/5-000034.jpg"));
}

TEST(Dataset, FolderFormHasCaptionsAndRecordsOfEveryImage) {
  const test::TemporaryFolder folder;
  write_dataset(small(folder / "data"), {});
  std::map<std::string, int> captions;
  TsvReader reader(folder / "data/captions.tsv", {"image_id", "caption"});
  for (std::vector<std::string_view> row; reader.next(row);) ++captions[std::string(row[0])];
  EXPECT_EQ(captions.size(), 30);
  uint64_t index = 0;
  JsonlReader records(folder / "data/scenes.jsonl");
  for (Json record; records.next(record); ++index) {
    EXPECT_EQ(record, make_scene(5, index).to_json());
    const std::string image = json_string(record, "id", "record") + ".jpg";
    EXPECT_EQ(captions[image], 2);
    EXPECT_TRUE(decodes(read_file(folder / ("data/images/" + image)))) << image;
  }
  EXPECT_EQ(index, 30);
}

TEST(Dataset, WebDatasetHoldsTheSameImagesInShards) {
  const test::TemporaryFolder folder;
  DatasetOptions options = small(folder / "folder");
  write_dataset(options, {});
  options.output = folder / "tars";
  options.format = DatasetFormat::kWebDataset;
  options.shard_size = 12;
  write_dataset(options, {});
  std::vector<std::string> names;
  for (const char* shard : {"tars/00000.tar", "tars/00001.tar", "tars/00002.tar"}) {
    TarReader tar(folder / shard);
    for (TarMember member; tar.next(member);) {
      names.push_back(member.name);
      const std::string bytes(reinterpret_cast<const char*>(member.bytes.data()),
                              member.bytes.size());
      if (member.name.ends_with(".jpg")) {
        EXPECT_EQ(bytes, read_file(folder / ("folder/images/" + member.name)));
      }
      if (member.name.ends_with(".json")) {
        EXPECT_EQ(parse_json(bytes, member.name)["captions"].size(), 2);
      }
    }
    EXPECT_EQ(tar.problem(), "");
  }
  EXPECT_EQ(names.size(), 90);
  EXPECT_EQ(names[3], "5-000001.jpg");
  EXPECT_EQ(names[4], "5-000001.txt");
  EXPECT_EQ(names[5], "5-000001.json");
  EXPECT_FALSE(fs::exists(folder / "tars/00003.tar"));
}

TEST(Dataset, DamagesJustTheImagesThatItLists) {
  const test::TemporaryFolder folder;
  DatasetOptions options = small(folder / "data");
  options.count = 300;
  options.corrupt_fraction = 0.2;
  const DatasetCounts counts = write_dataset(options, {});
  const std::vector<std::string> lines = read_lines(folder / "data/corrupt.txt");
  const std::set<std::string> corrupt(lines.begin(), lines.end());
  EXPECT_EQ(static_cast<int64_t>(corrupt.size()), counts.corrupt);
  EXPECT_GT(corrupt.size(), 30);
  EXPECT_LT(corrupt.size(), 90);
  for (uint64_t i = 0; i < 300; ++i) {
    const std::string id = make_scene(5, i).id();
    EXPECT_EQ(decodes(read_file(folder / ("data/images/" + id + ".jpg"))), !corrupt.contains(id))
        << id;
  }
}

TEST(Dataset, StylesAreMixedByShare) {
  DatasetOptions options = small("unused");
  const Scene scene = make_scene(5, 3);
  options.plain_share = 0;
  EXPECT_EQ(captions_for(scene, options)[1], write_caption(scene, CaptionStyle::kWeb, 1));
  options.plain_share = 1;
  EXPECT_EQ(captions_for(scene, options)[1], write_caption(scene, CaptionStyle::kPlain, 1));
  options.style = CaptionStyle::kWeb;
  EXPECT_EQ(captions_for(scene, options)[0], write_caption(scene, CaptionStyle::kWeb, 0));
}

TEST(Dataset, RefusesBadOptionsAndAFolderInUse) {
  const test::TemporaryFolder folder;
  DatasetOptions options = small(folder / "data");
  options.count = 0;
  EXPECT_THROW(write_dataset(options, {}), Error);
  options = small(folder / "data");
  options.corrupt_fraction = 1.5;
  EXPECT_THROW(write_dataset(options, {}), Error);
  options = small(folder / "data");
  options.format = DatasetFormat::kWebDataset;
  options.aro = true;
  EXPECT_THROW(write_dataset(options, {}), Error);

  write_file_atomic(folder / "precious.txt", "mine");
  EXPECT_THROW(write_dataset(small(folder.path()), {}), Error);
  EXPECT_EQ(read_file(folder / "precious.txt"), "mine");
  EXPECT_FALSE(fs::exists(folder / "data"));
}

}  // namespace
}  // namespace paraclip::scenes
