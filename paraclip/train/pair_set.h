#pragma once

#include "paraclip/base/file.h"
#include "paraclip/base/progress.h"
#include "paraclip/clip/text_model.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace paraclip {

/// Images with their captions, tokenized: what both towers are trained on. The images stay encoded
/// on the disk.
class PairSet {
 public:
  /// Images in a folder, named by their path below it, with captions in a TSV (image_id, caption);
  /// an image may have several. Images without a caption are left out. Throws kIo; kData for a
  /// malformed file, a caption of an image that is not there, or when nothing is left.
  static PairSet from_folder(const std::filesystem::path& folder,
                             const std::filesystem::path& captions, const TextModel& model,
                             const ProgressCallback& progress = {});

  /// WebDataset shards (uncompressed tar archives): members of one key, `KEY.jpg|jpeg|png|webp` and
  /// `KEY.txt`, are an image and its caption; samples that lack one are left out. Throws kIo; kData
  /// for a damaged or compressed archive, or when nothing is left.
  static PairSet from_shards(const std::vector<std::filesystem::path>& shards,
                             const TextModel& model, const ProgressCallback& progress = {});

  /// The number of images.
  int64_t size() const { return static_cast<int64_t>(images_.size()); }

  /// The name of an image, for messages.
  std::string name(int64_t image) const;

  /// The encoded bytes of an image. Any number of threads may call it. Throws kIo.
  std::string bytes(int64_t image) const;

  /// The numbers of an image's captions: [first, second).
  std::pair<int64_t, int64_t> captions(int64_t image) const;

  /// The token ids of a caption, start token to pooled token.
  std::vector<int64_t> tokens(int64_t caption) const;

  /// A number that is equal for captions of equal tokens.
  int64_t identity(int64_t caption) const;

  int64_t truncated() const { return truncated_; }  ///< Captions cut at the context length.
  int64_t left_out() const { return left_out_; }    ///< Samples without an image or a caption.

  /// A hash of names and captions.
  std::string fingerprint() const;

 private:
  struct Location {
    std::string name;  // Below folder_, or the key in a shard.
    size_t shard = 0;
    uint64_t offset = 0, size = 0;
  };

  void add_image(Location location, std::span<const std::string> captions, const TextModel& model);
  void check(const std::filesystem::path& source) const;

  std::filesystem::path folder_;  // Empty for shards.
  std::vector<std::shared_ptr<const MappedFile>> shards_;
  std::vector<Location> images_;
  std::vector<int64_t> first_captions_ = {0};  // Image i has [i, i + 1) of these.
  std::vector<int32_t> tokens_;
  std::vector<uint64_t> bounds_ = {0};
  int64_t truncated_ = 0, left_out_ = 0;
};

}  // namespace paraclip
