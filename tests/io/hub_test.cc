#include "paraclip/io/hub.h"

#include "tests/io/hub_fixture.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <set>
#include <thread>
#include <vector>

namespace paraclip {
namespace {

using namespace test;
using Visit = HubServer::Visit;

TEST(HubModel, IsParsed) {
  const auto plain = HubModel::parse("hf:openai/clip-vit-base-patch32");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->repository, "openai/clip-vit-base-patch32");
  EXPECT_EQ(plain->revision, "main");
  const auto pinned = HubModel::parse("hf:laion/CLIP-ViT-B-32_x.y@refs/pr/1");
  ASSERT_TRUE(pinned);
  EXPECT_EQ(pinned->repository, "laion/CLIP-ViT-B-32_x.y");
  EXPECT_EQ(pinned->revision, "refs/pr/1");
  EXPECT_EQ(HubModel::parse("hf:gpt2")->repository, "gpt2");
  for (const char* path : {"openai/clip", "./hf:x", "/models/clip", ""})
    EXPECT_FALSE(HubModel::parse(path)) << path;
}

TEST(HubModel, RefusesWhatCannotBeAName) {
  for (const std::string text :
       {"hf:",        "hf:a/b/c",   "hf:a//b",          "hf:../b",   "hf:a/..",
        "hf:a/b--c",  "hf:a/b..c",  "hf:a/.b",          "hf:a/b.",   "hf:-a/b",
        "hf:a/b c",   "hf:a/b.git", "hf:a/caf\xc3\xa9", "hf:/b",     "hf:a/",
        "hf://a/b",   "hf:a/b@",    "hf:a/b@../../x",   "hf:a/b@/x", "hf:a/b@x y",
        "hf:a/b@x\n", "hf:a/b@.x",  "hf:a/b@x/.y",      "hf:a/b@x~1"}) {
    SCOPED_TRACE(text);
    expect_has(message_of(ErrorKind::kUsage, [&] { HubModel::parse(text); }), "hf:ORG/NAME");
  }
  EXPECT_NO_THROW(HubModel::parse("hf:a/" + std::string(96, 'b')));
  EXPECT_THROW(HubModel::parse("hf:a/" + std::string(97, 'b')), Error);
}

// The variables that HubOptions reads, put back when the test ends.
class HubOptionsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME",
          "HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH",
          "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}) {
      const char* value = std::getenv(name);
      saved_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
      ::unsetenv(name);
    }
    set("HOME", folder_.path());
  }
  void TearDown() override {
    for (const auto& [name, value] : saved_) {
      if (value) ::setenv(name.c_str(), value->c_str(), /*replace=*/1);
      if (!value) ::unsetenv(name.c_str());
    }
  }
  void set(const char* name, const std::string& value) {
    ::setenv(name, value.c_str(), /*replace=*/1);
  }

  TemporaryFolder folder_;
  std::map<std::string, std::optional<std::string>> saved_;
};

TEST_F(HubOptionsTest, FindsTheCacheByTheConventions) {
  const auto cache = [] { return HubOptions::from_environment().cache.string(); };
  const std::string home = folder_.path();
  EXPECT_EQ(cache(), home + "/.cache/huggingface/hub");
  set("XDG_CACHE_HOME", "/xdg");
  EXPECT_EQ(cache(), "/xdg/huggingface/hub");
  set("HF_HOME", "~/hf");
  EXPECT_EQ(cache(), home + "/hf/hub");
  set("HF_HOME", "${HOME}/$NO_SUCH_VARIABLE/$HOME");
  EXPECT_EQ(cache(), home + "/$NO_SUCH_VARIABLE/" + home + "/hub");
  set("HUGGINGFACE_HUB_CACHE", "/old");
  EXPECT_EQ(cache(), "/old");
  set("HF_HUB_CACHE", "/new");
  EXPECT_EQ(cache(), "/new");
}

TEST_F(HubOptionsTest, FindsTheTokenByTheConventions) {
  const auto token = [] { return HubOptions::from_environment().token; };
  EXPECT_EQ(token(), "");
  write_all(folder_ / ".cache/huggingface/token", "of_the_login\n");
  EXPECT_EQ(token(), "of_the_login");
  set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  EXPECT_EQ(token(), "");
  set("HUGGING_FACE_HUB_TOKEN", "of_old");
  EXPECT_EQ(token(), "of_old");
  set("HF_TOKEN", " of_now\r\n");
  EXPECT_EQ(token(), "of_now");
  set("HF_TOKEN", std::string(kToken) + "\x01");
  expect_has(message_of(ErrorKind::kUsage, token), "HF_TOKEN");
}

TEST_F(HubOptionsTest, ReadsEndpointAndOffline) {
  EXPECT_EQ(HubOptions::from_environment().endpoint, "https://huggingface.co");
  EXPECT_FALSE(HubOptions::from_environment().offline);
  set("HF_ENDPOINT", "https://mirror.example/");
  set("TRANSFORMERS_OFFLINE", "yes");
  EXPECT_EQ(HubOptions::from_environment().endpoint, "https://mirror.example");
  EXPECT_TRUE(HubOptions::from_environment().offline);
  set("HF_HUB_OFFLINE", "0");
  EXPECT_FALSE(HubOptions::from_environment().offline);
  set("HF_ENDPOINT", "ftp://mirror.example");
  EXPECT_THROW(HubOptions::from_environment().validate(), Error);
}

TEST(ChooseFiles, TakesOneFormByPreference) {
  using Names = std::vector<std::string>;
  const std::string config = "config.json";
  const std::string open_clip = "open_clip_config.json";
  struct Case {
    Names listing;
    bool clip_config;
    Names small;
    Names weights;
  };
  const Case cases[] = {
      {{config, kWeights, "vocab.json", "merges.txt", "README.md", "flax_model.msgpack"},
       true,
       {config, "merges.txt", "vocab.json"},
       {kWeights}},
      {{config, kWeights, "model.safetensors.index.json"}, true, {config}, {kWeights}},
      {{config, "model.safetensors.index.json", "pytorch_model.bin"},
       true,
       {config},
       {"model.safetensors.index.json"}},
      {{config, "pytorch_model.bin", "preprocessor_config.json"},
       true,
       {config, "preprocessor_config.json"},
       {"pytorch_model.bin"}},
      // Both forms: transformers', unless only open_clip's is safetensors.
      {{config, open_clip, "open_clip_model.safetensors", kWeights}, true, {config}, {kWeights}},
      {{config, open_clip, "open_clip_model.safetensors", "pytorch_model.bin"},
       true,
       {open_clip},
       {"open_clip_model.safetensors"}},
      {{config, open_clip, "open_clip_pytorch_model.bin", "pytorch_model.bin"},
       true,
       {config},
       {"pytorch_model.bin"}},
      {{config, open_clip, "open_clip_model.safetensors", kWeights, "tokenizer.json"},
       false,
       {open_clip, "tokenizer.json"},
       {"open_clip_model.safetensors"}},
      {{open_clip, "open_clip_pytorch_model.bin"},
       false,
       {open_clip},
       {"open_clip_pytorch_model.bin"}},
      // Weights without the configuration of their form, and the other way round.
      {{open_clip, kWeights}, false, {}, {}},
      {{config, "open_clip_model.safetensors"}, true, {}, {}},
      {{config, "pytorch_model.bin.index.json"}, true, {}, {}},
      {{config, kWeights}, false, {}, {}},
      {{}, false, {}, {}},
  };
  for (const Case& one : cases) {
    const HubFiles files = choose_files(one.listing, one.clip_config);
    EXPECT_EQ(files.small, one.small) << testing::PrintToString(one.listing);
    EXPECT_EQ(files.weights, one.weights) << testing::PrintToString(one.listing);
  }
}

TEST(Hub, DownloadsWhatTheProgramUsesInTheLayoutOfTheCache) {
  const HubFixture hub(clip_files());
  const fs::path snapshot = hub.fetch();
  EXPECT_EQ(snapshot, hub.repository() / "snapshots" / hub.server.commit());
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(snapshot)) {
    const std::string name = entry.path().filename();
    const HubServer::File file = clip_files().at(name);
    names.insert(name);
    ASSERT_TRUE(entry.is_symlink()) << name;
    EXPECT_EQ(fs::read_symlink(entry.path()), fs::path("../../blobs") / HubServer::etag(file));
    EXPECT_EQ(read_file(entry.path()), file.content) << name;
  }
  EXPECT_EQ(names, (std::set<std::string>{"config.json", "merges.txt", "tokenizer_config.json",
                                          kWeights}));
  EXPECT_EQ(read_file(hub.repository() / "refs/main"), hub.server.commit());
  for (const auto& entry : fs::directory_iterator(hub.repository() / "blobs"))
    EXPECT_NE(entry.path().extension(), ".incomplete");
}

TEST(Hub, FetchesNothingTwice) {
  HubFixture hub(clip_files());
  hub.fetch();
  const size_t before = hub.server.visits().size();
  hub.fetch();
  ASSERT_EQ(hub.server.visits().size(), before + 1);  // where main is
  // Another commit with other weights: the rest is there.
  Files files = clip_files();
  files[kWeights].content = bytes(5000, 2);
  hub.server.set_commit(std::string(40, 'b'), files);
  const fs::path snapshot = hub.fetch();
  EXPECT_EQ(read_file(snapshot / kWeights), files[kWeights].content);
  EXPECT_EQ(read_file(snapshot / "merges.txt"), files["merges.txt"].content);
  EXPECT_EQ(hub.server.visits("GET", "merges.txt").size(), 2u);  // the redirect and the file
  EXPECT_EQ(read_file(hub.repository() / "refs/main"), std::string(40, 'b'));
}

TEST(Hub, TakesWeightsThatAreThereInAnotherForm) {
  const HubFixture hub(clip_files());
  const fs::path snapshot = hub.repository() / "snapshots" / hub.server.commit();
  write_all(snapshot / "config.json", clip_files()["config.json"].content);
  write_all(snapshot / "pytorch_model.bin", "weights");
  EXPECT_EQ(hub.fetch(), snapshot);
  EXPECT_FALSE(fs::exists(snapshot / kWeights));
  EXPECT_TRUE(fs::exists(snapshot / "merges.txt"));
}

TEST(Hub, FollowsABranchWithASlash) {
  const HubFixture hub(clip_files());
  EXPECT_EQ(hub.fetch("refs/pr/1").filename(), hub.server.commit());
  EXPECT_EQ(read_file(hub.repository() / "refs/refs/pr/1"), hub.server.commit());
}

TEST(Hub, NamesWhatIsMissingWhereTheHubCannotBeAsked) {
  HubFixture hub(clip_files());
  hub.options.endpoint = "http://127.0.0.1:1";
  for (const bool offline : {false, true}) {
    hub.options.offline = offline;
    const std::string message = message_of(ErrorKind::kNetwork, [&] { hub.fetch(); });
    const std::string folder = hub.repository() / "snapshots/main";
    for (const char* name : {"config.json", kWeights}) {
      expect_has(message, folder + "/" + name);
      expect_has(message, "http://127.0.0.1:1/org/clip/resolve/main/" + std::string(name));
    }
    expect_has(message, "Any folder with these files can be given");
    expect_has(message, offline ? "HF_HUB_OFFLINE" : "onnect");
  }
  // Files put where the message says are found.
  write_all(hub.repository() / "snapshots/main/config.json", R"({"model_type": "clip"})");
  const std::string message = message_of(ErrorKind::kNetwork, [&] { hub.fetch(); });
  expect_has(message, kWeights);
  EXPECT_EQ(message.find("config.json"), std::string::npos) << message;
  write_all(hub.repository() / "snapshots/main" / kWeights, "weights");
  EXPECT_EQ(hub.fetch(), hub.repository() / "snapshots/main");
}

TEST(Hub, UsesWhatIsCompleteWhereTheHubCannotBeAsked) {
  HubFixture hub(clip_files());
  const fs::path snapshot = hub.fetch();
  hub.options.endpoint = "http://127.0.0.1:1";
  EXPECT_EQ(hub.fetch(), snapshot);
  hub.options.offline = true;
  EXPECT_EQ(hub.fetch(), snapshot);
  // A link to nothing is no file.
  fs::remove(hub.blob(clip_files()[kWeights]));
  const std::string message = message_of(ErrorKind::kNetwork, [&] { hub.fetch(); });
  expect_has(message, (snapshot / kWeights).string());
}

TEST(Hub, AsksNobodyForACommitThatIsComplete) {
  const HubFixture hub(clip_files());
  const fs::path snapshot = hub.fetch(hub.server.commit());
  const size_t before = hub.server.visits().size();
  EXPECT_EQ(hub.fetch(hub.server.commit()), snapshot);
  EXPECT_EQ(hub.server.visits().size(), before);
  EXPECT_FALSE(fs::exists(hub.repository() / "refs"));
}

Files sharded(const std::string& second) {
  return {{"config.json", {R"({"model_type": "clip"})"}},
          {"model.safetensors.index.json",
           {R"({"weight_map": {"a": "part-1.safetensors", "b": ")" + second + R"("}})"}},
          {"part-1.safetensors", {bytes(1000, 1), /*large=*/true}},
          {"part-2.safetensors", {bytes(1000, 2), /*large=*/true}}};
}

TEST(Hub, FetchesTheShardsThatTheIndexNames) {
  HubFixture hub(sharded("part-2.safetensors"));
  const fs::path snapshot = hub.fetch();
  for (const char* name : {"part-1.safetensors", "part-2.safetensors"})
    EXPECT_EQ(read_file(snapshot / name), sharded("")[name].content);
  hub.options.offline = true;
  EXPECT_EQ(hub.fetch(), snapshot);
  fs::remove(snapshot / "part-2.safetensors");
  const std::string message = message_of(ErrorKind::kNetwork, [&] { hub.fetch(); });
  expect_has(message, (snapshot / "part-2.safetensors").string());
  EXPECT_EQ(message.find("part-1"), std::string::npos) << message;
}

TEST(Hub, RefusesShardsOutsideTheFolder) {
  for (const char* name : {"../part-2.safetensors", "/etc/passwd", "..", ""}) {
    const HubFixture hub(sharded(name));
    expect_has(message_of(ErrorKind::kData, [&] { hub.fetch(); }), "weight_map");
  }
}

TEST(Hub, RefusesWhatIsNoClip) {
  struct Case {
    Files files;
    std::string part;
  };
  const Case cases[] = {
      {{{"config.json", {R"({"model_type": "siglip"})"}}, {kWeights, {"weights", true}}},
       "\"siglip\""},
      {{{"config.json", {R"({"model_type": "clip"})"}}, {"pytorch_model.bin.index.json", {"{}"}}},
       "pytorch_model.bin.index.json"},
      {{{kWeights, {"weights", true}}}, "neither config.json nor open_clip_config.json"},
      {{{"config.json", {R"({"model_type": "clip"})"}}}, "no weights"},
  };
  for (const Case& one : cases) {
    const HubFixture hub(one.files);
    expect_has(message_of(ErrorKind::kData, [&] { hub.fetch(); }), one.part);
    EXPECT_TRUE(hub.server.visits("GET", kWeights).empty());
  }
}

TEST(Hub, TakesOpenClipsFormWhereConfigIsNoClips) {
  HubFixture hub({{"config.json", {R"({"model_type": "roberta"})"}},
                  {kWeights, {"weights", true}},
                  {"open_clip_config.json", {"{}"}},
                  {"open_clip_model.safetensors", {"open weights", true}}});
  const fs::path snapshot = hub.fetch();
  EXPECT_EQ(read_file(snapshot / "open_clip_model.safetensors"), "open weights");
  EXPECT_FALSE(fs::exists(snapshot / "config.json"));
  EXPECT_FALSE(fs::exists(snapshot / kWeights));
  hub.options.offline = true;
  EXPECT_EQ(hub.fetch(), snapshot);
}

TEST(Hub, DownloadsOnceForTwoAtATime) {
  const HubFixture hub(clip_files());
  std::thread other([&] { hub.fetch(); });
  hub.fetch();
  other.join();
  size_t stored = 0;
  for (const Visit& visit : hub.server.visits()) stored += visit.storage ? 1 : 0;
  EXPECT_EQ(stored, 1u);
}

TEST(Hub, WaitsForTheProcessThatHoldsTheBlob) {
  const HubFixture hub(clip_files());
  const HubServer::File weights = clip_files()[kWeights];
  const fs::path lock =
      hub.options.cache / ".locks/models--org--clip" / (HubServer::etag(weights) + ".lock");
  write_all(lock, "");
  const int held = ::open(lock.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(held, LOCK_EX), 0);
  std::thread fetching([&] { hub.fetch(); });
  while (hub.server.visits("HEAD", kWeights).empty()) std::this_thread::yield();
  // The holder finishes the file: there is nothing left to download.
  write_all(hub.blob(weights), weights.content);
  ::close(held);
  fetching.join();
  EXPECT_TRUE(hub.server.visits("GET", kWeights).empty());
}

}  // namespace
}  // namespace paraclip
