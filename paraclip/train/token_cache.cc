#include "paraclip/train/token_cache.h"

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/log.h"
#include "paraclip/base/random.h"
#include "paraclip/base/signals.h"
#include "paraclip/base/user_folders.h"
#include "paraclip/io/jsonl.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace paraclip {
namespace {

namespace fs = std::filesystem;

constexpr size_t kAlignment = 64;
constexpr uint64_t kMagic = 0x014b4f5441524150;  // "PARATOK\1", read little-endian.
constexpr std::array kPartKeys = {"caption", "paraphrase_1", "paraphrase_2"};

constexpr size_t padded(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

template <class Element>
std::string_view bytes_of(std::span<const Element> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

[[noreturn]] void damaged(std::string_view what) {
  fail(ErrorKind::kData, "it is damaged: {}", what);
}

uint64_t hash_of_file(const fs::path& path) { return hash64(MappedFile::open(path)->text()); }

// All that the tokens of a text depend on. The version stands for the cleaning of texts.
uint64_t hash_of_tokenizer(const TextModel& model) {
  const TextConfig& text = model.config().text;
  return hash64(fmt::format("{} {} {} {}", PARACLIP_VERSION, text.context_length,
                            static_cast<int>(text.pooling), text.end_token),
                model.tokenizer().fingerprint());
}

// Whether `bounds` go from 0 to `end` and never back.
bool are_bounds(std::span<const uint64_t> bounds, size_t end) {
  return bounds.front() == 0 && bounds.back() == end &&
         std::is_sorted(bounds.begin(), bounds.end());
}

}  // namespace

struct TokenizedTriples::Header {
  uint64_t magic, triples, tokenizer, records, tokens, id_bytes, content, reserved;
};

struct TokenizedTriples::Memory {
  std::vector<uint64_t> id_bounds = {0}, text_bounds = {0}, identities;
  std::vector<int32_t> tokens;
  std::vector<uint8_t> truncated;
  std::vector<char> image_ids;

  void add(const std::string& image_id, const std::array<std::string, kParts>& texts,
           const TextModel& model);
};

// What a cache is of, and what its numbers may be.
struct TokenizedTriples::Key {
  uint64_t triples, tokenizer;
  int64_t vocabulary_size, context_length;
};

fs::path default_token_cache() { return user_cache_folder() / "paraclip" / "tokens"; }

TokenizedTriples TokenizedTriples::load(const fs::path& path, const TextModel& model,
                                        const fs::path& cache, const ProgressCallback& progress) {
  Key key = {};
  fs::path file;
  if (!cache.empty()) {
    const TextConfig& text = model.config().text;
    key = {hash_of_file(path), hash_of_tokenizer(model), text.vocabulary_size, text.context_length};
    file = cache / fmt::format("{:016x}-{:016x}.tokens", key.triples, key.tokenizer);
    if (std::error_code ignored; fs::exists(file, ignored)) {
      try {
        return read(file, key);
      } catch (const Error& error) {
        log().warn("cannot use the token cache {}: {}; making it anew", file.string(),
                   error.what());
      }
    }
  }

  auto memory = std::make_shared<Memory>();
  JsonlReader reader(path);
  for (Json record; reader.next(record);) {
    if (stop_requested())
      fail(ErrorKind::kInterrupted, "interrupted while reading {}", path.string());
    const std::string where = reader.where();
    const std::string image_id = json_string(record, "image_id", where);
    std::array<std::string, kParts> texts;
    for (size_t part = 0; part < kParts; ++part) {
      texts[part] = json_string_or(record, kPartKeys[part], "", where);
    }
    memory->add(image_id, texts, model);
    if (progress) {
      progress({"read triples", "triples", static_cast<int64_t>(memory->truncated.size()), 0, ""});
    }
  }
  TokenizedTriples result = view(std::move(memory));
  if (cache.empty()) return result;
  if (hash_of_file(path) != key.triples) {
    fail(ErrorKind::kIo, "{} changed while it was read; run again when it is complete",
         path.string());
  }
  try {
    make_directories(cache);
    result.write(file, key);
    return read(file, key);
  } catch (const Error& error) {
    log().warn("texts will be tokenized again the next time, no token cache could be written: {}",
               error.what());
    return result;
  }
}

void TokenizedTriples::Memory::add(const std::string& image_id,
                                   const std::array<std::string, kParts>& texts,
                                   const TextModel& model) {
  const bool complete =
      std::none_of(texts.begin(), texts.end(), [](const auto& text) { return text.empty(); });
  const TextConfig& config = model.config().text;
  uint8_t cut = 0;
  for (const std::string& text : texts) {
    const size_t begin = tokens.size();
    if (complete) {
      const Tokenizer::Encoded encoded = model.tokenizer().encode(text, config.context_length);
      const size_t length = pooled_length(encoded.ids, config);
      tokens.insert(tokens.end(), encoded.ids.begin(),
                    encoded.ids.begin() + static_cast<ptrdiff_t>(length));
      if (encoded.truncated) ++cut;
    }
    text_bounds.push_back(tokens.size());
    identities.push_back(hash64(bytes_of(
        std::span<const int32_t>(tokens.begin() + static_cast<ptrdiff_t>(begin), tokens.end()))));
  }
  truncated.push_back(cut);
  image_ids.insert(image_ids.end(), image_id.begin(), image_id.end());
  id_bounds.push_back(image_ids.size());
}

TokenizedTriples TokenizedTriples::view(std::shared_ptr<const Memory> memory) {
  TokenizedTriples result;
  result.id_bounds_ = memory->id_bounds;
  result.text_bounds_ = memory->text_bounds;
  result.identities_ = memory->identities;
  result.tokens_ = memory->tokens;
  result.truncated_ = memory->truncated;
  result.image_ids_ = memory->image_ids;
  result.owner_ = std::move(memory);
  return result;
}

template <class Visit>
void TokenizedTriples::for_each_section(const Visit& visit) const {
  visit(bytes_of(id_bounds_));
  visit(bytes_of(text_bounds_));
  visit(bytes_of(identities_));
  visit(bytes_of(tokens_));
  visit(bytes_of(truncated_));
  visit(bytes_of(image_ids_));
}

TokenizedTriples::Header TokenizedTriples::header(const Key& key) const {
  static_assert(sizeof(Header) == kAlignment);
  Header header = {kMagic,         key.triples,       key.tokenizer, truncated_.size(),
                   tokens_.size(), image_ids_.size(), /*content=*/0, /*reserved=*/0};
  uint64_t hash = hash64(bytes_of(std::span<const Header>(&header, 1)));
  for_each_section([&](std::string_view section) { hash = hash64(section, hash); });
  header.content = hash;
  return header;
}

void TokenizedTriples::write(const fs::path& path, const Key& key) const {
  const Header first = header(key);
  AtomicFile file(path);
  file.write(bytes_of(std::span<const Header>(&first, 1)));
  for_each_section([&](std::string_view section) {
    file.write(section);
    file.write(std::string(padded(section.size()) - section.size(), '\0'));
  });
  file.commit();
}

TokenizedTriples TokenizedTriples::read(const fs::path& path, const Key& key) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const size_t size = file->bytes().size();
  Header stored;
  if (size < sizeof stored) damaged("it ends within its header");
  std::memcpy(&stored, file->bytes().data(), sizeof stored);
  if (stored.magic != kMagic) damaged("it does not begin as a token cache of this version");
  if (stored.triples != key.triples || stored.tokenizer != key.tokenizer)
    damaged("it is of other triples or another tokenizer");
  // No count of things that each take a byte is beyond the size, so that no sum below overflows.
  if (stored.records >= size || stored.tokens > size || stored.id_bytes > size)
    damaged("its counts are beyond its size");

  TokenizedTriples result;
  size_t offset = sizeof stored;
  const auto section = [&]<class Element>(std::span<const Element>& view, uint64_t count) {
    const size_t begin = offset;
    offset += padded(count * sizeof(Element));
    if (offset > size) damaged("it is cut short");
    view = {reinterpret_cast<const Element*>(file->bytes().data() + begin), count};
  };
  section(result.id_bounds_, stored.records + 1);
  section(result.text_bounds_, kParts * stored.records + 1);
  section(result.identities_, kParts * stored.records);
  section(result.tokens_, stored.tokens);
  section(result.truncated_, stored.records);
  section(result.image_ids_, stored.id_bytes);
  if (offset != size) damaged("it goes on behind its end");
  result.owner_ = file;
  result.check(key);
  if (result.header(key).content != stored.content) damaged("its content has another hash");
  file->release_pages();
  return result;
}

void TokenizedTriples::check(const Key& key) const {
  if (!are_bounds(id_bounds_, image_ids_.size())) damaged("image ids reach outside it");
  if (!are_bounds(text_bounds_, tokens_.size())) damaged("texts reach outside it");
  for (int64_t record = 0; record < size(); ++record) {
    for (size_t part = 0; part < kParts; ++part) {
      const auto length = static_cast<int64_t>(tokens(record, part).size());
      if (length > key.context_length || (length > 0) != complete(record))
        damaged("a text has a length that it cannot have");
    }
    if (truncated_[static_cast<size_t>(record)] > kParts)
      damaged("a record has more than three texts");
  }
  const auto unknown = [&](int32_t id) { return id < 0 || id >= key.vocabulary_size; };
  if (std::any_of(tokens_.begin(), tokens_.end(), unknown))
    damaged("a token is not in the vocabulary");
}

std::string_view TokenizedTriples::image_id(int64_t record) const {
  const uint64_t* bound = id_bounds_.data() + record;
  return {image_ids_.data() + bound[0], bound[1] - bound[0]};
}

std::span<const int32_t> TokenizedTriples::tokens(int64_t record, size_t part) const {
  const uint64_t* bound = text_bounds_.data() + text_index(record, part);
  return tokens_.subspan(bound[0], bound[1] - bound[0]);
}

}  // namespace paraclip
