#include "paraclip/eval/data_catalogue.h"

#include "paraclip/base/error.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace paraclip {
namespace {

// Addresses, sizes and hashes are those of public sources, named beside them. What is not known is
// left out; nothing is guessed.

// A file of a repository on GitHub at one commit, which fixes its content.
struct GitHubFolder {
  std::string_view repository;  // "OWNER/NAME"
  std::string_view commit;
  std::string_view path;    // Of the folder there.
  std::string_view folder;  // Of the data.
};

DataSource github(const GitHubFolder& folder, std::string_view name, int64_t size = -1,
                  std::string_view sha256 = "") {
  const std::string path = fmt::format("{}/{}", folder.folder, name);
  return {.path = path,
          .url = fmt::format("https://raw.githubusercontent.com/{}/{}/{}/{}", folder.repository,
                             folder.commit, folder.path, name),
          .size = size,
          .sha256 = std::string(sha256),
          .unpack = {},
          .places = {{path}},
          .by_hand = {}};
}

DataSource by_hand(std::vector<DataPlace> places, std::string how) {
  return {.path = {},
          .url = {},
          .sha256 = {},
          .unpack = {},
          .places = std::move(places),
          .by_hand = std::move(how)};
}

// The text of SentEval's similarity tasks as SimCSE's authors distribute it (the address is that of
// SentEval/data/downstream/download_dataset.sh in princeton-nlp/SimCSE).
DataSet sts() {
  DataSource source = {
      .path = "sts/senteval.tar",
      .url =
          "https://huggingface.co/datasets/princeton-nlp/datasets-for-simcse/resolve/main/"
          "senteval.tar",
      .sha256 = {},
      .unpack = {{"STS/", "sts/senteval/"}, {"SICK/", "sts/senteval/SICK/"}},
      .places = {},
      .by_hand = {}};
  const auto add = [&](int year, std::initializer_list<std::string_view> subsets) {
    for (const std::string_view subset : subsets) {
      for (const std::string_view kind : {"input", "gs"}) {
        source.places.push_back(
            {fmt::format("sts/senteval/STS{}-en-test/STS.{}.{}.txt", year, kind, subset)});
      }
    }
  };
  add(12, {"MSRpar", "MSRvid", "SMTeuroparl", "surprise.OnWN", "surprise.SMTnews"});
  add(13, {"FNWN", "headlines", "OnWN"});
  add(14, {"deft-forum", "deft-news", "headlines", "images", "OnWN", "tweet-news"});
  add(15, {"answers-forums", "answers-students", "belief", "headlines", "images"});
  add(16, {"answer-answer", "headlines", "plagiarism", "postediting", "question-question"});
  for (const std::string_view file :
       {"STSBenchmark/sts-test.csv", "SICK/SICK_test_annotated.txt"}) {
    source.places.push_back({fmt::format("sts/senteval/{}", file)});
  }
  return {.name = "sts",
          .title = "STS12-16, STS-B, SICK-R: pairs of sentences in SentEval's layout",
          .licence = "STS: CC BY-SA and per source; SICK: CC BY-NC-SA 3.0",
          .homepage = "https://github.com/princeton-nlp/SimCSE",
          .sources = {std::move(source)}};
}

DataSet sugar_crepe() {
  const GitHubFolder folder = {"RAIVNLab/sugar-crepe", "0047054b243992f0fad63d6f64f7544862daf846",
                               "data", "sugar_crepe"};
  return {.name = "sugar_crepe",
          .title = "SugarCrepe: captions with hard negatives",
          .licence = "MIT",
          .homepage = "https://github.com/RAIVNLab/sugar-crepe",
          .sources = {github(folder, "add_att.json", 158'863,
                             "012d88d729693d193760e6f3393b06a1cf874380a9db0062e937201199fe044d"),
                      github(folder, "add_obj.json", 484'593,
                             "1b9d76b93139a937b8dc1ada92a4f05ecc821bb3c291d752428bafadd4bb0682"),
                      github(folder, "replace_att.json", 176'843,
                             "9fe55fd4c0a9ad1f85d486d9f6d0215b41f867eb025026e7f7b5ce44352545ee"),
                      github(folder, "replace_obj.json", 361'126,
                             "9d299600639947e9d15281a9ded1382b376cf4ea088a8d08a1314bfe76e81898"),
                      github(folder, "replace_rel.json", 312'629,
                             "356bcc2fc4c6aed3f4d9fd50acc58489bb1fe70c28791f9368d4cbf9ea39cdc9"),
                      github(folder, "swap_att.json", 154'665,
                             "7a7ce04e5c4c80412b48c6f0c1347fb1a2f5d54c0be6aa429b64d390e442f8d0"),
                      github(folder, "swap_obj.json", 57'569,
                             "073cdb8e253d053614e80710834d9773b09dbc1dd0a412f6f9492262caa1dcad")}};
}

DataSet sugar_crepe_pp() {
  const GitHubFolder folder = {"Sri-Harsha/scpp", "c083bbf039a5ca215acaf25e7ee736d2ea6f3864",
                               "data", "sugar_crepe_pp"};
  return {.name = "sugar_crepe_pp",
          .title = "SugarCrepe++: captions, paraphrases, hard negatives",
          .licence = "MIT",
          .homepage = "https://github.com/Sri-Harsha/scpp",
          .sources = {github(folder, "replace_att.json", 226'275,
                             "6826413592894754eeca02aeebbcbbc8b95a7456998abcc714e71c033ce6fe87"),
                      github(folder, "replace_obj.json", 456'601,
                             "5c6dc499ec8f511a8aa4ec1b7b5eb0eca90317488abe36ec39573355e2d361ab"),
                      github(folder, "replace_rel.json", 392'738,
                             "040fb95d3f0619bf515db60879e99709a87a5e9b4f524ec3403b127243480fd4"),
                      github(folder, "swap_att.json", 198'206,
                             "450d0fd9fcad3e6f44950dc634e7f901ab1c6d9c60a569ade5ae8ffb3d203ad8"),
                      github(folder, "swap_obj.json", 74'611,
                             "5f33cae824de431a7ecd3c5de6301f689815f9497aa36d96b154bbaf117b201b")}};
}

// A copy of the one file that is needed of annotations_trainval2017.zip, which has 241 MB.
DataSet coco_captions() {
  const GitHubFolder folder = {"ruizewang/evaluate", "1152656d3b8c66c48fc6a4357e159f5e21bd2d2d",
                               "annotations", "coco_captions_val2017"};
  return {.name = "coco_captions_val2017",
          .title = "COCO captions of val2017",
          .licence = "CC BY 4.0",
          .homepage = "https://cocodataset.org",
          .sources = {github(folder, "captions_val2017.json", 3'872'493,
                             "1018a8760deaf1fc71be2f1b8da1a1348b9c35994af4322ca2fd795a78abb79c")}};
}

// Size and hash of COCO's and Karpathy's archives: TensorFlow Datasets,
// url_checksums/coco_captions.txt.
DataSet coco_captions_val2014() {
  const std::string file = "captions_val2014.json";
  const std::string path = "coco_captions_val2014/" + file;
  return {
      .name = "coco_captions_val2014",
      .title = "COCO captions of val2014",
      .licence = "CC BY 4.0",
      .homepage = "https://cocodataset.org",
      .sources = {{.path = "coco_captions_val2014/annotations_trainval2014.zip",
                   .url = "http://images.cocodataset.org/annotations/annotations_trainval2014.zip",
                   .size = 252'872'794,
                   .sha256 = "031296bbc80c45a1d1f76bf9a90ead27e94e99ec629208449507a4917a3bf009",
                   .unpack = {{"annotations/" + file, path}},
                   .places = {{path}},
                   .by_hand = {}}}};
}

DataSet coco_photos(std::string_view split, int64_t photos, int64_t size, std::string sha256) {
  return {.name = fmt::format("coco_{}", split),
          .title = fmt::format("COCO photos of {}", split),
          .licence = "each photo under its Flickr licence",
          .homepage = "https://cocodataset.org",
          .sources = {{.path = fmt::format("coco/{}.zip", split),
                       .url = fmt::format("http://images.cocodataset.org/zips/{}.zip", split),
                       .size = size,
                       .sha256 = std::move(sha256),
                       .unpack = {{fmt::format("{}/", split), fmt::format("coco/{}/", split)}},
                       .places = {{fmt::format("coco/{}", split), photos}},
                       .by_hand = {}}}};
}

DataSource karpathy_source() {
  DataSource source = {
      .path = "karpathy/caption_datasets.zip",
      .url = "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip",
      .size = 36'745'453,
      .sha256 = "4cfd70132527b80933105e5829dc9034eaab9573482e2e680abbab6130244817",
      .unpack = {},
      .places = {},
      .by_hand = {}};
  for (const std::string_view set : {"coco", "flickr8k", "flickr30k"}) {
    const std::string name = fmt::format("dataset_{}.json", set);
    source.unpack.push_back({name, "karpathy/" + name});
    source.places.push_back({"karpathy/" + name});
  }
  return source;
}

DataSet karpathy() {
  return {.name = "karpathy",
          .title = "captions of COCO, Flickr8k and Flickr30k in Karpathy's splits",
          .licence = "not stated; COCO captions: CC BY 4.0",
          .homepage = "https://cs.stanford.edu/people/karpathy/deepimagesent",
          .sources = {karpathy_source()}};
}

DataSet flickr30k() {
  return {.name = "flickr30k",
          .title = "Flickr30k: captions, and photos by hand",
          .licence = "non-commercial research and education; photos remain with their owners",
          .homepage = "https://shannon.cs.illinois.edu/DenotationGraph/",
          .sources = {karpathy_source(),
                      by_hand({{"flickr30k/images", 1000}},
                              "ask for the photos at https://forms.illinois.edu/sec/229675 and put "
                              "them there; the 1,000 of the test split suffice")}};
}

// The numbers are Google Drive's: dataset_zoo/aro_datasets.py of the repository.
DataSource aro_source(std::vector<DataPlace> places, std::string_view id, std::string_view file,
                      std::string_view then = "") {
  return by_hand(
      std::move(places),
      fmt::format("'gdown {} -O {}' (Google Drive asks for a confirmation){}", id, file, then));
}

DataSet aro() {
  return {.name = "aro",
          .title = "ARO: captions of Visual Genome relations and attributes",
          .licence = "see the homepage",
          .homepage = "https://github.com/mertyg/vision-language-models-are-bows",
          .sources = {
              aro_source({{"aro/visual_genome_relation.json"}}, "1kX2iCHEv0CADL8dSO1nMdW-V0NqIAiP3",
                         "visual_genome_relation.json"),
              aro_source({{"aro/visual_genome_attribution.json"}},
                         "13tWvOrNOLHxl3Rm9cR3geAdHx2qR3-Tw", "visual_genome_attribution.json")}};
}

DataSet aro_images() {
  return {.name = "aro_images",
          .title = "ARO: the photos of Visual Genome relations and attributes",
          .licence = "see the homepage",
          .homepage = "https://github.com/mertyg/vision-language-models-are-bows",
          .sources = {aro_source({{"aro/images", 1}}, "1qaPlrwhGNMrR3a11iopZUT_GPP_LrgP9",
                                 "vgr_vga_images.zip", ", 1 GB; unpack it")}};
}

DataSet cxc() {
  const GitHubFolder folder = {"google-research-datasets/Crisscrossed-Captions",
                               "7d6634be173a6f6a16ab1e61bebc217de8444513", "data", "cxc"};
  std::vector<DataSource> sources;
  for (const std::string_view name : {"sts_test.csv", "sis_test.csv", "sits_test.csv"}) {
    sources.push_back(github(folder, name));
  }
  sources.push_back(karpathy_source());
  return {.name = "cxc",
          .title = "Crisscrossed Captions: similarities of COCO captions and photos",
          .licence = "see the homepage",
          .homepage = "https://github.com/google-research-datasets/Crisscrossed-Captions",
          .sources = std::move(sources)};
}

DataSet imagenet() {
  return {.name = "imagenet_zeroshot",
          .title = "ImageNet: class names, templates and validation photos for zero-shot",
          .licence = "photos: non-commercial research and education, after registration",
          .homepage = "https://image-net.org",
          .sources = {by_hand({{"imagenet_zeroshot/open_clip_imagenet_metadata.json"}},
                              "the lists of open_clip's src/open_clip/zero_shot_metadata.py as one "
                              "JSON object; or put classnames.txt and templates.txt, one a line, "
                              "into zeroshot/imagenet"),
                      by_hand({{"zeroshot/imagenet/images", 50'000}},
                              "register at https://image-net.org/download.php, and unpack the "
                              "validation photos of ILSVRC2012 there, a folder for each class")}};
}

}  // namespace

std::span<const DataSet> data_catalogue() {
  static const std::vector<DataSet> sets = {
      sts(),
      sugar_crepe(),
      sugar_crepe_pp(),
      coco_captions(),
      coco_captions_val2014(),
      coco_photos("val2017", 5000, 815'585'330,
                  "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05"),
      coco_photos("val2014", 40'504, 6'645'013'297,
                  "fe9be816052049c34717e077d9e34aa60814a55679f804cd043e3cbee3b9fde0"),
      karpathy(),
      flickr30k(),
      aro(),
      aro_images(),
      cxc(),
      imagenet()};
  return sets;
}

const DataSet& find_data_set(const std::string& name) {
  const std::span<const DataSet> sets = data_catalogue();
  const auto found = std::ranges::find(sets, name, &DataSet::name);
  if (found != sets.end()) return *found;
  std::vector<std::string_view> names;
  for (const DataSet& set : sets) names.push_back(set.name);
  fail(ErrorKind::kUsage, "there is no data set \"{}\"; there are {}", name,
       fmt::join(names, ", "));
}

}  // namespace paraclip
