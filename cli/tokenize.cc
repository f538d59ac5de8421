// paraclip tokenize: lines of text to token ids.

#include "cli/command.h"
#include "cli/common.h"
#include "paraclip/base/error.h"
#include "paraclip/base/log.h"
#include "paraclip/base/signals.h"
#include "paraclip/clip/tokenizer.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

namespace paraclip::cli {
namespace {

struct Options {
  CommonOptions common;
  std::string family = "open_clip";
  std::string model;
  int64_t context_length = 0;
  bool no_special = false;
  std::string file = "-";
};

// Buffered standard output whose failures (a full disk, a closed pipe) are errors.
class Output {
 public:
  void append(std::string_view text) {
    buffer_ += text;
    if (buffer_.size() >= kFlushAt) flush();
  }

  void flush() {
    const bool written = std::fwrite(buffer_.data(), 1, buffer_.size(), stdout) == buffer_.size() &&
                         std::fflush(stdout) == 0;
    if (!written) {
      fail(ErrorKind::kIo, "could not write the token ids to stdout: {}", std::strerror(errno));
    }
    buffer_.clear();
  }

 private:
  static constexpr size_t kFlushAt = 1 << 16;
  std::string buffer_;
};

struct Counts {
  int64_t lines = 0;
  int64_t tokens = 0;
  int64_t truncated = 0;
  int64_t suspected_mojibake = 0;
};

Tokenizer make_tokenizer(const Options& options) {
  const TokenizerFamily family = parse_tokenizer_family(options.family);
  return options.model.empty() ? Tokenizer::built_in(family)
                               : Tokenizer::load(options.model, family);
}

std::string join(std::span<const int64_t> ids, std::string_view separator) {
  std::string line;
  for (const int64_t id : ids) {
    if (!line.empty()) line += separator;
    line += fmt::format_int(id).c_str();
  }
  return line;
}

// Writes the ids of each line of `input` and counts.
Counts tokenize_lines(std::istream& input, const Options& options, const Tokenizer& tokenizer,
                      Output& output) {
  const bool json = options.common.json;
  Counts counts;
  for (std::string line; std::getline(input, line);) {
    if (stop_requested()) {
      output.flush();
      fail(ErrorKind::kInterrupted, "stopped after {} lines", counts.lines);
    }
    const Tokenizer::Encoded encoded = tokenizer.encode(line, options.context_length);
    std::span<const int64_t> ids = encoded.ids;
    if (options.no_special) ids = ids.subspan(1, ids.size() - 2);
    if (json) {
      output.append(counts.lines == 0 ? "\n    [" : ",\n    [");
      output.append(join(ids, ", "));
      output.append("]");
    } else {
      output.append(join(ids, " "));
      output.append("\n");
    }
    ++counts.lines;
    counts.tokens += static_cast<int64_t>(ids.size());
    counts.truncated += encoded.truncated ? 1 : 0;
    counts.suspected_mojibake += encoded.suspected_mojibake ? 1 : 0;
  }
  return counts;
}

void run(const Options& options) {
  const Tokenizer tokenizer = make_tokenizer(options);
  std::ifstream file;
  if (options.file != "-") {
    file.open(options.file);
    if (!file || std::filesystem::is_directory(options.file)) {
      fail(ErrorKind::kIo, "could not read {}: {}", options.file,
           std::filesystem::is_directory(options.file) ? "it is a folder, expected lines of text"
                                                       : std::strerror(errno));
    }
  }
  std::ios::sync_with_stdio(false);
  std::istream& input = options.file == "-" ? std::cin : file;

  // The ids are written as they come: a list of millions need not fit in memory.
  const bool json = options.common.json;
  Output output;
  if (json) output.append("{\n  \"ids\": [");
  const Counts counts = tokenize_lines(input, options, tokenizer, output);
  if (json) {
    output.append(
        fmt::format("\n  ],\n  \"family\": \"{}\",\n  \"vocabulary_size\": {},\n  \"lines\": {},\n"
                    "  \"tokens\": {},\n  \"truncated\": {},\n  \"suspected_mojibake\": {}\n}}\n",
                    options.family, tokenizer.vocabulary_size(), counts.lines, counts.tokens,
                    counts.truncated, counts.suspected_mojibake));
  }
  output.flush();
  if (input.bad()) {
    fail(ErrorKind::kIo, "could not read {} after {} lines", options.file, counts.lines);
  }
  log().info("{} lines, {} tokens, {} truncated, {} suspected of mojibake", counts.lines,
             counts.tokens, counts.truncated, counts.suspected_mojibake);
}

}  // namespace

void define_tokenize(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.footer(
      "One line of ids for each line of text, start and end token included, an empty line too.\n"
      "open_clip cleans text as open_clip and OpenAI's CLIP do, hf as transformers does;\n"
      "roberta is open_clip's tokenizer of RoBERTa towers, whose vocabulary --model names.");
  app.add_option("file", options->file, "Text, one a line; - is stdin")
      ->option_text("[FILE]")
      ->capture_default_str();
  app.add_option("--family", options->family, "Whose tokens: open_clip, hf or roberta")
      ->check(CLI::IsMember({"open_clip", "hf", "roberta"}).description(""))
      ->capture_default_str();
  app.add_option("--model", options->model,
                 "Checkpoint folder whose vocabulary to use; default: CLIP's own")
      ->option_text("DIR");
  app.add_option("--context-length", options->context_length,
                 "Cut ids to N, the last of them the end token; 0: no limit")
      ->check(CLI::Range(0, 1 << 20).description(""))
      ->capture_default_str();
  app.add_flag("--no-special", options->no_special, "Leave out start and end token");
  add_common_options(app, options->common);
  app.callback([options] {
    apply_common_options(options->common);
    run(*options);
  });
}

}  // namespace paraclip::cli
