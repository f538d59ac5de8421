#include "paraclip/eval/caption_files.h"

#include "paraclip/base/error.h"
#include "paraclip/base/json.h"
#include "paraclip/embed/tar_source.h"
#include "paraclip/io/csv.h"
#include "paraclip/io/tar.h"
#include "paraclip/io/tsv.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBlanks = " \t\v\f\r\n";

const Json& array_of(const Json& object, std::string_view key, const std::string& where) {
  const auto found = object.is_object() ? object.find(std::string(key)) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_array()) {
    fail(ErrorKind::kData,
         "{}: there is no list \"{}\"; expected COCO's captions or a file of "
         "Karpathy's splits",
         where, key);
  }
  return *found;
}

CaptionFile read_coco(const Json& file, const std::string& path) {
  std::unordered_map<int64_t, std::string> names;
  const Json& images = array_of(file, "images", path);
  for (size_t i = 0; i < images.size(); ++i) {
    const std::string where = fmt::format("{}, images[{}]", path, i);
    const int64_t id = json_integer(images[i], "id", where);
    if (!names.emplace(id, json_string(images[i], "file_name", where)).second)
      fail(ErrorKind::kData, "{}: the image {} is listed twice", where, id);
  }
  CaptionFile result{"COCO's captions", {}};
  const Json& annotations = array_of(file, "annotations", path);
  for (size_t i = 0; i < annotations.size(); ++i) {
    const std::string where = fmt::format("{}, annotations[{}]", path, i);
    const int64_t image = json_integer(annotations[i], "image_id", where);
    const auto name = names.find(image);
    if (name == names.end())
      fail(ErrorKind::kData, "{}: the image {} is not among the file's images", where, image);
    result.captions.push_back(
        {name->second,
         filled(json_string(annotations[i], "caption", where), "caption", where),
         json_integer_or(annotations[i], "id", -1, where),
         {}});
  }
  return result;
}

CaptionFile read_karpathy(const Json& file, const std::string& path, std::string_view split) {
  CaptionFile result;
  result.form =
      split.empty() ? "all of Karpathy's splits" : fmt::format("Karpathy's split {}", split);
  std::set<std::string> splits;
  const Json& images = array_of(file, "images", path);
  for (size_t i = 0; i < images.size(); ++i) {
    const std::string where = fmt::format("{}, images[{}]", path, i);
    const std::string own = json_string(images[i], "split", where);
    splits.insert(own);
    if (!split.empty() && own != split) continue;
    const std::string name = json_string(images[i], "filename", where);
    const std::string folder = json_string_or(images[i], "filepath", "", where);
    for (const Json& sentence : array_of(images[i], "sentences", where)) {
      result.captions.push_back({name, filled(json_string(sentence, "raw", where), "raw", where),
                                 json_integer_or(sentence, "sentid", -1, where), folder});
    }
  }
  if (result.captions.empty() && !split.empty() && !splits.contains(std::string(split))) {
    fail(ErrorKind::kData, "{} has no split \"{}\"; its splits are: {}", path, split,
         fmt::join(splits, ", "));
  }
  return result;
}

CaptionFile read_csv(const fs::path& path) {
  CaptionFile result{"CSV", {}};
  CsvReader reader(path, {"image", "caption"});
  for (std::vector<std::string> row; reader.next(row);) {
    const std::string where = reader.where();
    result.captions.push_back(
        {filled(row[0], "column image", where), filled(row[1], "column caption", where), -1, {}});
  }
  return result;
}

CaptionFile read_tsv(const fs::path& path) {
  CaptionFile result{"TSV", {}};
  TsvReader reader(path, {"image_id", "caption"});
  for (std::vector<std::string_view> row; reader.next(row);) {
    const std::string where = reader.where();
    result.captions.push_back({filled(row[0], "column image_id", where),
                               filled(row[1], "column caption", where),
                               -1,
                               {}});
  }
  return result;
}

CaptionFile read_tar(const fs::path& path) {
  CaptionFile result{"WebDataset", {}};
  TarReader tar(path);
  for (TarMember member; tar.next(member);) {
    const std::optional<MemberName> name = parse_member_name(member.name);
    if (!name || name->suffix != "txt") continue;
    const std::string where = fmt::format("{}: {}", path.string(), member.name);
    if (member.too_large) fail(ErrorKind::kData, "{} is too large for captions", where);
    const std::string text = filled(
        {reinterpret_cast<const char*>(member.bytes.data()), member.bytes.size()}, "txt", where);
    std::string_view rest = text;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.find_first_not_of(kBlanks) != std::string_view::npos)
        result.captions.push_back({name->key, std::string(line), -1, {}});
    }
  }
  if (!tar.problem().empty()) fail(ErrorKind::kData, "{}", tar.problem());
  return result;
}

CaptionFile read_by_form(const fs::path& path, std::string_view split) {
  const std::string name = path.filename().string();
  if (name.ends_with(".tar") || name.ends_with(".tar.gz") || name.ends_with(".tgz"))
    return read_tar(path);
  if (name.ends_with(".csv")) return read_csv(path);
  if (!name.ends_with(".json")) return read_tsv(path);
  const Json file = read_json(path);
  const bool coco = file.is_object() && file.contains("annotations");
  return coco ? read_coco(file, path.string()) : read_karpathy(file, path.string(), split);
}

}  // namespace

CaptionFile read_caption_file(const fs::path& path, std::string_view split) {
  CaptionFile result = read_by_form(path, split);
  if (result.captions.empty()) fail(ErrorKind::kData, "{} holds no captions", path.string());
  return result;
}

std::string filled(std::string_view text, std::string_view name, std::string_view where) {
  if (text.find_first_not_of(kBlanks) == std::string_view::npos) {
    fail(ErrorKind::kData, "{}: {} is blank; expected a text (leave the row out)", where, name);
  }
  return std::string(text);
}

}  // namespace paraclip
