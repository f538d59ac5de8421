// What bad input prints: one line that names the file, the place, what was found and what to do;
// the exit code; and nothing half-written. The table of docs/errors.md is made from the lines that
// this test prints.

#include "tests/cli/commands.h"

#include <sys/mount.h>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

TEST_F(Commands, HelpFitsAScreenAndVersionIsPrinted) {
  for (const std::string command : {"", "paraphrase ", "embed ", "train ", "eval ", "convert ",
                                    "tokenize ", "inspect ", "data ", "merge ", "demo "}) {
    const Outcome outcome = run(command + "--help");
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_LE(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 72) << command;
    for (size_t begin = 0; begin < outcome.out.size();) {
      const size_t end = std::min(outcome.out.find('\n', begin), outcome.out.size());
      EXPECT_LE(end - begin, 80U) << command << ": " << outcome.out.substr(begin, end - begin);
      begin = end + 1;
    }
  }
  EXPECT_EQ(run("--version").out.rfind("paraclip ", 0), 0U);
  EXPECT_EQ(run("").code, 2);
}

TEST_F(Commands, MistypedWordsAreNamedWithWhatWasMeant) {
  expect_failure("unknown command", "trian", 2, {"unknown command 'trian'", "'train'"});
  expect_failure("unknown option", "train --batchsize 3", 2,
                 {"unknown option '--batchsize'", "did you mean '--batch-size'?"});
  expect_failure("value out of range", train("o") + " --max-missing 2", 2, {"--max-missing"});
  write_file_atomic(folder / "c.toml", "batchsize = 3\n");
  expect_failure("unknown key in --config",
                 train("o") + " --config " + (folder / "c.toml").string(), 2, {"batchsize"});
  EXPECT_FALSE(fs::exists(folder / "o"));
}

TEST_F(Commands, FilesThatAreMissing) {
  expect_failure("missing model", "inspect " + (folder / "nowhere").string(), 3,
                 {"nowhere", "there is no such folder"});
  fs::create_directory(folder / "empty");
  expect_failure("folder without config.json", "inspect " + (folder / "empty").string(), 3,
                 {"holds neither config.json nor open_clip_config.json"});
  std::string no_triples = train("o");
  no_triples.replace(no_triples.find("triples.jsonl"), 13, "absent.jsonl_");
  expect_failure("missing triples", no_triples, 3, {"absent.jsonl_", "No such file"});
  EXPECT_FALSE(fs::exists(folder / "o"));
}

TEST_F(Commands, CheckpointsThatAreBroken) {
  const fs::path model = copy_of_model();
  const std::string weights = read_file(model / "model.safetensors");
  write_file_atomic(model / "model.safetensors", weights.substr(0, weights.size() / 2));
  expect_failure("truncated safetensors", "inspect " + model.string(), 3,
                 {"model.safetensors", "incomplete download"});
  write_file_atomic(model / "model.safetensors", weights);
  std::string config = read_file(model / "config.json");
  const std::string key = "\"intermediate_size\": 128";
  ASSERT_NE(config.find(key), std::string::npos);
  for (size_t at; (at = config.find(key)) != std::string::npos;) {
    config.replace(at, key.size(), "\"intermediate_size\": 96");
  }
  write_file_atomic(model / "config.json", config);
  expect_failure("wrong shape", "inspect " + model.string(), 3,
                 {"of another shape", "mlp.fc1.weight is F32 [128, 32], expected floats [96, 32]"});
}

TEST_F(Commands, TriplesThatDoNotFit) {
  write_file_atomic(
      folder / "t.jsonl",
      R"({"image_id":"elsewhere","caption":"a","paraphrase_1":"b","paraphrase_2":"c"})"
      "\n");
  std::string arguments = train("o");
  const std::string triples = (kGolden / "triples.jsonl").string();
  arguments.replace(arguments.find(triples), triples.size(), (folder / "t.jsonl").string());
  expect_failure("unknown image ids", arguments, 3,
                 {"1 of 1 triples", "elsewhere", "--max-missing"});
  write_file_atomic(folder / "t.jsonl", "{\"image_id\":\n");
  expect_failure("broken JSON", arguments, 3, {"t.jsonl, line 1"});
  EXPECT_FALSE(fs::exists(folder / "o"));
}

TEST_F(Commands, DataThatIsNotThere) {
  const std::string data = " --data " + (folder / "data").string();
  expect_failure("unknown data set", "data fetch stss" + data, 2,
                 {"there is no data set \"stss\"", "sugar_crepe_pp"});
  expect_failure("no data set", "data fetch" + data, 2, {"expected the name of a data set"});
  const Outcome offline = run("data fetch sugar_crepe --mirror http://127.0.0.1:1 --quiet" + data);
  EXPECT_EQ(offline.code, 4);
  for (const std::string& part :
       {(folder / "data/sugar_crepe/swap_obj.json").string(),
        std::string("https://raw.githubusercontent.com/RAIVNLab/sugar-crepe/"),
        std::string("57569 bytes, sha256 ")}) {
    EXPECT_NE(offline.err.find(part), std::string::npos) << offline.err;
  }
  const Outcome by_hand = run("data fetch aro --quiet" + data);
  EXPECT_EQ(by_hand.code, 3);
  EXPECT_NE(by_hand.err.find("gdown 1kX2iCHEv0CADL8dSO1nMdW-V0NqIAiP3"), std::string::npos);
  const Outcome list = run("data list --json" + data);
  EXPECT_EQ(list.code, 0);
  const Json sets = parse_json(list.out, "data list")["sets"];
  EXPECT_GE(sets.size(), 10U);
  for (const Json& set : sets) EXPECT_FALSE(set["complete"].get<bool>()) << set["name"];
}

TEST_F(Commands, CaptionsThatAreEmpty) {
  write_file_atomic(folder / "captions.txt", "\n\n   \n");
  expect_failure("empty captions",
                 fmt::format("paraphrase {} -o {}", (folder / "captions.txt").string(),
                             (folder / "o").string()),
                 3, {"captions.txt"});
  EXPECT_FALSE(fs::exists(folder / "o/triples.jsonl"));
}

TEST_F(Commands, AFullDiskLeavesTheLastGoodCheckpoint) {
  const fs::path disk = folder / "disk";
  fs::create_directory(disk);
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=2m") != 0) {
    GTEST_SKIP() << "needs the right to mount a small disk";
  }
  // Room for one checkpoint (0.6 MB) and not for two more.
  write_file_atomic(disk / "ballast", std::string(900 << 10, 'x'));
  expect_failure("disk full", train("disk/o"), 3, {"No space left", "free some space"});
  const fs::path checkpoints = disk / "o/checkpoints";
  EXPECT_TRUE(fs::exists(checkpoints / "step-00000000/COMPLETE"));
  EXPECT_FALSE(fs::exists(checkpoints / "step-00000004"));
  EXPECT_EQ(std::distance(fs::directory_iterator(checkpoints), fs::directory_iterator()), 1);
  EXPECT_EQ(run("inspect " + (disk / "o/last").string()).code, 0);
  fs::remove(disk / "ballast");
  EXPECT_EQ(run(train("disk/o") + " --resume").code, 0);
  EXPECT_EQ(fs::read_symlink(disk / "o/last"), "checkpoints/step-00000004");
  EXPECT_EQ(::umount(disk.c_str()), 0);
}

TEST_F(Commands, InspectTellsOfBothTowersInEitherForm) {
  const fs::path vision = fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/vision/gelu";
  const auto inspect = [&](const char* form) {
    return parse_json(run(fmt::format("inspect --json {}", (vision / form).string())).out, form);
  };
  const Json hf = inspect("hf"), open_clip = inspect("open_clip");
  EXPECT_EQ(hf["format"], "HF CLIPModel");
  EXPECT_EQ(open_clip["format"], "open_clip CLIP");
  for (const char* key : {"text_fingerprint", "image_fingerprint", "image_parameters", "image_size",
                          "patch_size", "image_activation", "text_parameters"}) {
    EXPECT_TRUE(hf.contains(key)) << key;
    EXPECT_EQ(hf[key], open_clip[key]) << key;
  }
}

TEST_F(Commands, TheOptionsOfObjectivesAreKeptApart) {
  const fs::path base = fs::path(PARACLIP_SOURCE_DIR) / "examples/scenes/base";
  const std::string clip = fmt::format("train --objective clip --model {} -o {}", base.string(),
                                       (folder / "o").string());
  expect_failure("image tower not unlocked", clip + " --images x", 2, {"add --unlock image"});
  expect_failure("a folder without captions",
                 fmt::format("{} --unlock image --images {}", clip, folder.path().string()), 2,
                 {"their captions are needed, with --captions"});
  expect_failure("an option of the other objective", train("o") + " --images x", 2,
                 {"--images has no meaning with --objective paraclip"});
  EXPECT_FALSE(fs::exists(folder / "o"));
}

TEST_F(Commands, EmbeddingsOfAnotherImageTowerAreRefused) {
  const fs::path scenes = fs::path(PARACLIP_SOURCE_DIR) / "examples/scenes";
  fs::create_directory(folder / "images");
  fs::copy(scenes / "sheet.jpg", folder / "images/sheet.jpg");
  const fs::path embeddings = folder / "embeddings";
  ASSERT_EQ(run(fmt::format("embed --model {} --images {} -o {}", (scenes / "base").string(),
                            (folder / "images").string(), embeddings.string()))
                .code,
            0);
  write_file_atomic(folder / "pairs.tsv", "query\tparaphrase\na red ball\ta ball of red\n");
  const std::string eval =
      fmt::format("eval --no-cache --k 1 --image-embeddings {} --pairs {} --model ",
                  embeddings.string(), (folder / "pairs.tsv").string());
  EXPECT_EQ(run(eval + (scenes / "base").string()).code, 0);
  expect_failure("embeddings of another image tower", eval + (kGolden / "model").string(), 3,
                 {"were made by the image tower"});
}

TEST_F(Commands, TrainingWritesWhatItSaysAndItsConfigRepeatsIt) {
  ASSERT_EQ(run(train("a")).code, 0);
  for (const char* name : {"best/model.safetensors", "last/config.json", "metrics.jsonl",
                           "config.toml", "data.json", "tensorboard"}) {
    EXPECT_TRUE(fs::exists(folder / "a" / name)) << name;
  }
  ASSERT_EQ(run(fmt::format("train --config {} -o {}", (folder / "a/config.toml").string(),
                            (folder / "b").string()))
                .code,
            0);
  EXPECT_EQ(read_file(folder / "a/last/model.safetensors"),
            read_file(folder / "b/last/model.safetensors"));

  // What is refused leaves the run as it was.
  const std::string config = read_file(folder / "a/config.toml");
  expect_failure("another run's folder", train("a") + " --lr 1", 2, {"already holds a run"});
  expect_failure("resumed with other options", train("a") + " --lr 1 --resume", 2,
                 {"lr was 1e-05 and is 1.0"});
  EXPECT_EQ(read_file(folder / "a/config.toml"), config);
}

TEST_F(Commands, InspectPrintsOneJsonObject) {
  const Outcome outcome = run("inspect --json " + (kGolden / "model").string());
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json json = parse_json(outcome.out, "inspect");
  EXPECT_EQ(json.at("width").get<int>(), 32);
  EXPECT_EQ(json.at("pooling").get<std::string>(), "highest id");
  EXPECT_EQ(json.at("activation").get<std::string>(), "quick_gelu");
}

TEST_F(Commands, ConvertWritesTheOtherFormOfTheSameModel) {
  const fs::path hf = fs::path(PARACLIP_SOURCE_DIR) / "tests/golden/vision/quick_gelu/hf";
  const std::string output = (folder / "converted").string();
  const Outcome outcome =
      run(fmt::format("convert --json --model {} --to open_clip -o {}", hf.string(), output));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(parse_json(outcome.out, "convert").at("family"), "open_clip");
  const Json before = parse_json(run("inspect --json " + hf.string()).out, "inspect");
  const Json after = parse_json(run("inspect --json " + output).out, "inspect");
  for (const char* key : {"text_fingerprint", "image_fingerprint", "activation", "architecture"}) {
    EXPECT_EQ(before.at(key), after.at(key)) << key;
  }
  EXPECT_EQ(after.at("format"), "open_clip CLIP");
  // The file alone does not tell the activation.
  const std::string alone = (folder / "alone.safetensors").string();
  fs::copy(fs::path(output) / "open_clip_model.safetensors", alone);
  expect_failure("weights without a configuration", "inspect " + alone, 2, {"--activation"});
  expect_failure("a wrong --activation", "inspect --activation gelu " + output, 2,
                 {"given as gelu", "says quick_gelu"});
  expect_failure("an existing folder",
                 fmt::format("convert --model {} --to hf -o {}", hf.string(), output), 2,
                 {"exists; choose a folder that does not"});
}

TEST_F(Commands, AModelOfTheHubIsSoughtInItsCache) {
  const std::string cache = (folder / "hub").string();
  ::setenv("HF_HUB_CACHE", cache.c_str(), 1);
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  const Outcome missing = run("inspect hf:some/clip");
  EXPECT_EQ(missing.code, 4);
  const std::string snapshot = cache + "/models--some--clip/snapshots/main";
  EXPECT_NE(missing.err.find(snapshot + "/model.safetensors"), std::string::npos) << missing.err;
  fs::create_directories(snapshot);
  fs::copy(kGolden / "model", snapshot);
  const Outcome found = run("inspect --json hf:some/clip");
  ::unsetenv("HF_HUB_CACHE");
  ::unsetenv("HF_HUB_OFFLINE");
  ASSERT_EQ(found.code, 0) << found.err;
  const Json direct = parse_json(run("inspect --json " + (kGolden / "model").string()).out, "");
  EXPECT_EQ(parse_json(found.out, "inspect").at("text_fingerprint"), direct.at("text_fingerprint"));
}

}  // namespace
}  // namespace paraclip
