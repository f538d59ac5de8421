// paraclip data: lists what benchmarks need, and fetches it from its public homes.

#include "cli/command.h"
#include "cli/common.h"
#include "paraclip/base/error.h"
#include "paraclip/eval/data_fetch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace paraclip::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string action;
  std::vector<std::string> names;
  FetchOptions fetch{.folder = "data", .mirror = {}, .web = {}};
};

// Bytes of the downloads, or -1 if one is not known.
int64_t download_size(const DataSet& set) {
  int64_t size = 0;
  for (const DataSource& source : set.sources) {
    if (source.url.empty()) continue;
    if (source.size < 0) return -1;
    size += source.size;
  }
  return size;
}

std::string size_text(const DataSet& set) {
  const int64_t size = download_size(set);
  if (size < 0) return "size not known";
  if (size == 0) return "by hand";
  const double megabytes = static_cast<double>(size) / 1e6;
  return megabytes < 1000 ? fmt::format("{:.1f} MB", megabytes)
                          : fmt::format("{:.1f} GB", megabytes / 1000);
}

std::vector<std::string> lacks(const DataSet& set, const std::filesystem::path& folder) {
  std::vector<std::string> found;
  for (const DataSource& source : set.sources) {
    const std::string lack = lack_of(source, folder);
    if (!lack.empty()) found.push_back(lack);
  }
  return found;
}

void list(const Options& options) {
  Json json = Json::array();
  for (const DataSet& set : data_catalogue()) {
    const std::vector<std::string> missing = lacks(set, options.fetch.folder);
    Json item = {
        {"name", set.name},         {"title", set.title},          {"licence", set.licence},
        {"homepage", set.homepage}, {"complete", missing.empty()}, {"missing", missing}};
    const int64_t size = download_size(set);
    item["download_bytes"] = size < 0 ? Json() : Json(size);
    json.push_back(item);
    if (options.common.json) continue;
    fmt::print("{:<23}{:<9}{}\n", set.name, missing.empty() ? "there" : "missing", set.title);
    fmt::print("{:32}{}; {}\n", "", size_text(set), set.licence);
    constexpr size_t kShown = 3;
    for (size_t i = 0; i < std::min(missing.size(), kShown); ++i) {
      fmt::print("{:32}lacks {}{}\n", "", missing[i],
                 i + 1 == kShown && missing.size() > kShown
                     ? fmt::format(" and {} more", missing.size() - kShown)
                     : "");
    }
  }
  if (options.common.json) print_json({{"folder", options.fetch.folder.string()}, {"sets", json}});
}

void fetch(const Options& options) {
  if (options.names.empty()) {
    fail(ErrorKind::kUsage,
         "fetch: expected the name of a data set; 'paraclip data list' has them");
  }
  std::vector<const DataSet*> sets;  // All names are looked at before the first download.
  for (const std::string& name : options.names) sets.push_back(&find_data_set(name));
  Json json = Json::array();
  std::vector<std::string> by_hand;
  for (const DataSet* set : sets) {
    const FetchReport report = fetch_data(*set, options.fetch, make_progress(options.common));
    by_hand.insert(by_hand.end(), report.by_hand.begin(), report.by_hand.end());
    json.push_back({{"name", set->name},
                    {"downloads", report.downloads},
                    {"bytes", report.bytes},
                    {"complete", report.by_hand.empty()},
                    {"by_hand", report.by_hand}});
    if (options.common.json) continue;
    fmt::print("{}: {} downloaded ({} bytes), {}\n", set->name, report.downloads, report.bytes,
               report.by_hand.empty() ? "complete" : "the rest has to be got by hand");
  }
  if (options.common.json) print_json({{"folder", options.fetch.folder.string()}, {"sets", json}});
  if (!by_hand.empty()) {
    fail(ErrorKind::kData, "not everything may be fetched by a program; put there yourself:\n{}",
         fmt::join(by_hand, "\n"));
  }
}

}  // namespace

void define_data(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.footer(
      "list: what each benchmark needs, and what of it is there.\n"
      "fetch: brings data sets from their public homes, checked, to where 'eval' looks;\n"
      "a download that ends early goes on in the next run.");
  app.add_option("action", options->action, "list or fetch")
      ->required()
      ->option_text("list|fetch")
      ->check(CLI::IsMember({"list", "fetch"}).description(""));
  app.add_option("names", options->names, "Data sets to fetch")->option_text("[NAME...]");
  app.add_option("--data", options->fetch.folder, "Folder of all benchmarks' data (default: data)")
      ->option_text("DIR")
      ->capture_default_str();
  app.add_option("--mirror", options->fetch.mirror, "Address that has the files under their paths")
      ->option_text("URL");
  add_common_options(app, options->common);
  app.callback([options] {
    apply_common_options(options->common);
    if (options->action == "fetch") return fetch(*options);
    if (!options->names.empty()) {
      fail(ErrorKind::kUsage, "list takes no name, found \"{}\"", options->names.front());
    }
    list(*options);
  });
}

}  // namespace paraclip::cli
