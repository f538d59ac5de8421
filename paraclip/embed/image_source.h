#pragma once

#include "paraclip/base/json.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace paraclip {

/// An image of a source, before it is decoded.
struct ImageSample {
  std::string id;                      ///< Unique in its shard.
  std::string where;                   ///< Its place, for messages: "00000.tar: 000000003.jpg".
  std::string bytes;                   ///< The image file, or empty:
  std::filesystem::path file;          ///< then it is in this file.
  std::optional<std::string> caption;  ///< The text that comes with it.
  Json fields = Json::object();        ///< Further metadata, flat: names to scalars.
  std::string problem;                 ///< Why there is no image file; empty if there is one.
};

/// Reads the images of one shard in their order.
class SampleReader {
 public:
  virtual ~SampleReader() = default;

  /// Moves `sample` to the next image; false at the end. What is wrong with one image is in its
  /// `problem`. Throws kIo and kData for what is wrong with the shard.
  virtual bool next(ImageSample& sample) = 0;
};

/// A collection of images in shards, which are embedded and written one by one.
class ImageSource {
 public:
  virtual ~ImageSource() = default;

  virtual size_t shards() const = 0;

  /// What shard `index` is, for messages and records: "00000.tar".
  virtual std::string shard_name(size_t index) const = 0;

  /// The size of shard `index` relative to the others, to tell how much is left.
  virtual uint64_t shard_weight(size_t index) const = 0;

  /// The number of images in all shards, if it is known before they are read.
  virtual std::optional<int64_t> images() const = 0;

  virtual std::unique_ptr<SampleReader> open(size_t index) const = 0;

  /// A hash of what is in the source and in which order: names and sizes, not contents.
  virtual std::string fingerprint() const = 0;
};

/// How a source is read.
struct ImageSourceOptions {
  /// Members of a tar sample that can be the image, best first, separated by semicolons.
  std::string image_key = "jpg;png;jpeg;webp";
  std::string text_key = "txt";  ///< Members that can be its caption, likewise.
  int64_t shard_size = 10000;    ///< Images in a shard of a folder or list. Tars are shards.
  bool prefix_ids = false;       ///< Ids of tar samples begin with the tar's name: "00000/key".

  /// Throws kUsage.
  void validate() const;
};

/// Opens what `images` names: a folder of images (searched to any depth, sorted by path), a folder
/// of tars, tars by name (`shards/{00000..00012}.tar`, joined by `::`), or a text file
/// that lists images.
///
/// Throws kIo; kData for a source without images; kUsage for a name that cannot be expanded.
std::unique_ptr<ImageSource> open_image_source(const std::string& images,
                                               const ImageSourceOptions& options);

}  // namespace paraclip
