#include "paraclip/eval/data_fetch.h"

#include "paraclip/io/digest.h"
#include "tests/io/archives.h"
#include "tests/io/hub_fixture.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>

namespace paraclip {
namespace {

using namespace test;

// Answers in place of the server; `visit` counts from 1.
using Answer = std::function<std::optional<HttpReply>(const HttpQuery& query, int visit)>;

// A home on this machine with two plain files and an archive, and a folder to fetch into.
class DataFetch : public testing::Test {
 protected:
  DataFetch() : server_([this](const HttpQuery& query) { return answer(query); }) {
    make_archive(temporary_ / "made.zip", {{"val/1.jpg", "one"}, {"val/2.jpg", "two"}});
    zip_ = read_file(temporary_ / "made.zip");
    set_ = {.name = "tiny",
            .title = "a set of the tests",
            .licence = "none",
            .homepage = "https://example.org",
            .sources = {plain("a.json", small_), plain("b.json", large_), archive()}};
    options_.folder = temporary_ / "data";
    options_.web.first_wait = 0.001;
  }

  DataSource plain(const std::string& name, const std::string& content) {
    contents_["/" + name] = content;
    return {.path = "tiny/" + name,
            .url = server_.url() + "/" + name,
            .size = static_cast<int64_t>(content.size()),
            .sha256 = sha256_hex(content),
            .unpack = {},
            .places = {{"tiny/" + name}},
            .by_hand = {}};
  }

  DataSource archive() {
    contents_["/val.zip"] = zip_;
    return {.path = "photos/val.zip",
            .url = server_.url() + "/val.zip",
            .size = static_cast<int64_t>(zip_.size()),
            .sha256 = sha256_hex(zip_),
            .unpack = {{"val/", "photos/val/"}},
            .places = {{"photos/val", 2}},
            .by_hand = {}};
  }

  HttpReply answer(const HttpQuery& query) {
    const std::lock_guard lock(mutex_);
    ranges_.push_back(query.range);
    tokens_.insert(query.authorization);
    const int visit = ++visits_[query.path];
    if (answer_) {
      if (const auto reply = answer_(query, visit)) return *reply;
    }
    const auto found = contents_.find(query.path);
    if (found == contents_.end()) return {.status = 404};
    return HubServer::serve(query, found->second);
  }

  FetchReport fetch() { return fetch_data(set_, options_, {}); }
  fs::path at(const std::string& path) const { return options_.folder / path; }

  int visits(const std::string& path) {
    const std::lock_guard lock(mutex_);
    return visits_[path];
  }

  std::string small_ = R"({"a": 1})";
  std::string large_ = bytes(100'000);
  std::string zip_;
  TemporaryFolder temporary_;
  std::mutex mutex_;
  std::map<std::string, std::string> contents_;
  std::map<std::string, int> visits_;
  std::vector<std::string> ranges_;
  std::set<std::string> tokens_;
  Answer answer_;
  HttpServer server_;
  DataSet set_;
  FetchOptions options_;
};

TEST_F(DataFetch, LaysTheFilesOutWhereBenchmarksLook) {
  EXPECT_EQ(lack_of(set_.sources[0], options_.folder), "tiny/a.json");
  const FetchReport report = fetch();
  EXPECT_EQ(report.downloads, 3);
  EXPECT_EQ(report.bytes, static_cast<int64_t>(small_.size() + large_.size() + zip_.size()));
  EXPECT_EQ(read_file(at("tiny/a.json")), small_);
  EXPECT_EQ(read_file(at("tiny/b.json")), large_);
  EXPECT_EQ(read_file(at("photos/val/2.jpg")), "two");
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(options_.folder)) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(files, 4U) << "neither the archive nor a partial file stays";
  EXPECT_EQ(tokens_, std::set<std::string>{""});
}

TEST_F(DataFetch, LeavesWhatIsThereAlone) {
  fetch();
  EXPECT_EQ(fetch().downloads, 0);
  EXPECT_EQ(visits("/b.json"), 1);
  fs::remove(at("photos/val/1.jpg"));
  EXPECT_EQ(lack_of(set_.sources[2], options_.folder), "photos/val (1 of 2 files)");
  EXPECT_EQ(fetch().downloads, 1);
  EXPECT_EQ(read_file(at("photos/val/1.jpg")), "one");
}

TEST_F(DataFetch, ReplacesWhatIsNotTheCatalogues) {
  std::string other = large_;
  other.back() ^= 1;
  write_all(at("tiny/b.json"), other);
  write_all(at("tiny/a.json"), "{");
  EXPECT_EQ(lack_of(set_.sources[0], options_.folder), "tiny/a.json (1 bytes, expected 8)");
  fetch();
  EXPECT_EQ(read_file(at("tiny/a.json")), small_);
  EXPECT_EQ(read_file(at("tiny/b.json")), large_);
}

TEST_F(DataFetch, GoesOnWhereAConnectionBroke) {
  answer_ = [&](const HttpQuery& query, int visit) -> std::optional<HttpReply> {
    if (query.path != "/b.json" || visit > 1) return std::nullopt;
    return HttpReply{.body = large_.substr(0, 30'000), .close = true};
  };
  fetch();
  EXPECT_EQ(read_file(at("tiny/b.json")), large_);
  EXPECT_EQ(std::ranges::count(ranges_, "bytes=30000-"), 1);
}

TEST_F(DataFetch, GoesOnInTheNextRun) {
  bool broken = true;
  answer_ = [&](const HttpQuery& query, int) -> std::optional<HttpReply> {
    if (query.path != "/b.json" || !broken) return std::nullopt;
    if (!query.range.empty()) return HttpReply{.status = 503};
    return HttpReply{.body = large_.substr(0, 30'000), .close = true};
  };
  const std::string message = message_of(ErrorKind::kNetwork, [&] { fetch(); });
  expect_has(message, "broke off at 30000 of 100000 bytes");
  EXPECT_EQ(fs::file_size(at("tiny/b.json.partial")), 30'000U);
  EXPECT_FALSE(fs::exists(at("tiny/b.json")));
  broken = false;
  ranges_.clear();
  EXPECT_EQ(fetch().bytes, static_cast<int64_t>(70'000 + zip_.size()));
  EXPECT_EQ(ranges_.front(), "bytes=30000-");
  EXPECT_EQ(read_file(at("tiny/b.json")), large_);
}

TEST_F(DataFetch, StartsOverWhereTheServerIgnoresRanges) {
  answer_ = [&](const HttpQuery& query, int) -> std::optional<HttpReply> {
    if (query.path != "/b.json") return std::nullopt;
    return HttpReply{.body = large_};
  };
  write_all(at("tiny/b.json.partial"), large_.substr(0, 30'000));
  fetch();
  EXPECT_EQ(ranges_[1], "bytes=30000-");
  EXPECT_EQ(read_file(at("tiny/b.json")), large_);
}

TEST_F(DataFetch, TrustsNoRestOfAFileWhoseHashIsUnknown) {
  set_.sources[1].sha256.clear();
  write_all(at("tiny/b.json.partial"), std::string(30'000, 'x'));
  fetch();
  EXPECT_EQ(read_file(at("tiny/b.json")), large_);
}

TEST_F(DataFetch, RemovesWhatHasAnotherHash) {
  contents_["/b.json"].back() ^= 1;
  const std::string message = message_of(ErrorKind::kData, [&] { fetch(); });
  expect_has(message, set_.sources[1].url);
  expect_has(message, set_.sources[1].sha256);
  expect_has(message, "it was removed");
  EXPECT_FALSE(fs::exists(at("tiny/b.json")));
  EXPECT_FALSE(fs::exists(at("tiny/b.json.partial")));
}

TEST_F(DataFetch, SaysWhichFileToPutWhere) {
  contents_.erase("/b.json");
  const std::string message = message_of(ErrorKind::kNetwork, [&] { fetch(); });
  expect_has(message, "HTTP 404");
  for (const size_t missing : {1, 2}) {
    const DataSource& source = set_.sources[missing];
    expect_has(message, "\n  " + at(source.path).string());
    expect_has(message, "\n    from " + source.url);
    expect_has(message, fmt::format("{} bytes, sha256 {}", source.size, source.sha256));
  }
  EXPECT_EQ(message.find(set_.sources[0].url), std::string::npos) << "that one is there";
  EXPECT_EQ(visits("/b.json"), 1) << "asking again would not help";
}

TEST_F(DataFetch, SaysSoAtOnceWhereNobodyAnswers) {
  set_.sources[0].url = "http://127.0.0.1:1/a.json";
  options_.web.first_wait = 60;
  const std::string message = message_of(ErrorKind::kNetwork, [&] { fetch(); });
  for (const DataSource& source : set_.sources) expect_has(message, source.url);
  EXPECT_EQ(visits("/b.json"), 0);
}

TEST_F(DataFetch, TakesWhatWasPutThereByHand) {
  write_all(at("photos/val.zip"), zip_);
  EXPECT_EQ(fetch().downloads, 2);
  EXPECT_EQ(read_file(at("photos/val/1.jpg")), "one");
  EXPECT_TRUE(fs::exists(at("photos/val.zip"))) << "it is the user's";
  EXPECT_EQ(visits("/val.zip"), 0);
  fs::remove_all(at("photos/val"));
  write_all(at("photos/val.zip"), zip_.substr(1));
  expect_has(message_of(ErrorKind::kData, [&] { fetch(); }), "val.zip");
}

TEST_F(DataFetch, RefusesAHostileArchive) {
  make_archive(temporary_ / "made.zip", {{"val/1.jpg", "one"}, {"../../evil", "x"}});
  zip_ = read_file(temporary_ / "made.zip");
  set_.sources[2] = archive();
  expect_has(message_of(ErrorKind::kData, [&] { fetch(); }), "leads upward");
  EXPECT_FALSE(fs::exists(at("photos/val")));
  EXPECT_FALSE(fs::exists(temporary_ / "evil"));
}

TEST_F(DataFetch, NoticesAnArchiveThatGivesTooLittle) {
  make_archive(temporary_ / "made.zip", {{"val/1.jpg", "one"}});
  zip_ = read_file(temporary_ / "made.zip");
  set_.sources[2] = archive();
  expect_has(message_of(ErrorKind::kData, [&] { fetch(); }), "photos/val (1 of 2 files)");
}

TEST_F(DataFetch, TakesAMirror) {
  const std::map<std::string, std::string> homes = std::move(contents_);
  contents_ = {{"/m/tiny/a.json", homes.at("/a.json")},
               {"/m/tiny/b.json", homes.at("/b.json")},
               {"/m/photos/val.zip", homes.at("/val.zip")}};
  for (const char* end : {"/m", "/m/"}) {
    fs::remove_all(options_.folder);
    options_.mirror = server_.url() + end;
    EXPECT_EQ(fetch().downloads, 3);
  }
  options_.mirror = "ftp://x";
  expect_has(message_of(ErrorKind::kUsage, [&] { fetch(); }), "--mirror");
}

TEST_F(DataFetch, ExplainsWhatIsToBeGotByHand) {
  set_.sources.push_back({.path = {},
                          .url = {},
                          .sha256 = {},
                          .unpack = {},
                          .places = {{"photos/secret", 3}},
                          .by_hand = "ask for them at https://example.org"});
  const FetchReport report = fetch();
  EXPECT_EQ(report.downloads, 3);
  ASSERT_EQ(report.by_hand.size(), 1U);
  expect_has(report.by_hand[0], at("photos/secret").string() + " (3 files)");
  expect_has(report.by_hand[0], "by hand: ask for them at https://example.org");
  for (const char* name : {"1", "2", "3"}) write_all(at("photos/secret") / name, "x");
  EXPECT_TRUE(fetch().by_hand.empty());
}

TEST_F(DataFetch, TellsHowFarItIs) {
  std::vector<ProgressState> downloads;
  fetch_data(set_, options_, [&](const ProgressState& state) {
    if (state.label == "download tiny") downloads.push_back(state);
  });
  ASSERT_FALSE(downloads.empty());
  const auto total = static_cast<int64_t>(small_.size() + large_.size() + zip_.size());
  for (size_t i = 0; i < downloads.size(); ++i) {
    EXPECT_EQ(downloads[i].total, total);
    EXPECT_GE(downloads[i].done, downloads[i > 0 ? i - 1 : 0].done);
  }
  EXPECT_EQ(downloads.back().done, total);
}

TEST(DataCatalogue, IsSound) {
  std::set<std::string> names, files;
  for (const DataSet& set : data_catalogue()) {
    EXPECT_TRUE(names.insert(set.name).second) << set.name;
    EXPECT_EQ(&find_data_set(set.name), &set);
    EXPECT_TRUE(set.homepage.starts_with("https://")) << set.name;
    EXPECT_FALSE(set.title.empty() || set.licence.empty() || set.sources.empty()) << set.name;
    for (const DataSource& source : set.sources) {
      EXPECT_EQ(source.url.empty(), source.path.empty()) << set.name;
      EXPECT_EQ(source.url.empty(), !source.by_hand.empty()) << set.name;
      EXPECT_FALSE(source.places.empty()) << set.name;
      EXPECT_TRUE(source.sha256.empty() || is_digest(source.sha256, 64)) << source.path;
      // What travels unencrypted is told by its hash alone.
      EXPECT_TRUE(source.url.starts_with("https://") || !source.sha256.empty() ||
                  source.url.empty())
          << source.url;
      if (!source.url.empty() && source.unpack.empty()) {
        ASSERT_EQ(source.places.size(), 1U) << source.path;
        EXPECT_EQ(source.places[0].path, source.path);
      }
      for (const DataPlace& place : source.places) {
        EXPECT_TRUE(fs::path(place.path).is_relative() &&
                    place.path.find("..") == std::string::npos);
      }
    }
  }
  expect_has(message_of(ErrorKind::kUsage, [] { find_data_set("stss"); }), "sugar_crepe_pp");
}

TEST(DataCatalogue, NamesTheFilesOfRealFolders) {
  PARACLIP_NEEDS_SHARED("data/sts");
  for (const char* name : {"sts", "sugar_crepe", "sugar_crepe_pp", "coco_captions_val2017"}) {
    for (const DataSource& source : find_data_set(name).sources) {
      const fs::path folder = shared_folder() / "data";
      EXPECT_EQ(lack_of(source, folder), "") << name;
      if (!source.unpack.empty()) continue;
      EXPECT_EQ(sha256_hex(read_file(folder / source.path)), source.sha256) << source.path;
    }
  }
}

}  // namespace
}  // namespace paraclip
