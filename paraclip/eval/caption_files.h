#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace paraclip {

/// A caption and the image it describes.
struct ImageCaption {
  std::string image_id;  ///< The image file's name, or a WebDataset sample's key.
  std::string caption;   ///< As the file has it.
  int64_t id = -1;       ///< The caption's own: annotations[].id of COCO, sentid of Karpathy.
  std::string folder;    ///< Of the image, where the file tells: Karpathy's filepath, "val2014".
};

/// The captions of a file.
struct CaptionFile {
  std::string form;  ///< What the file is and which part was read: "Karpathy's split test".
  std::vector<ImageCaption> captions;  ///< In the order of the file; all of each image.
};

/// Reads captions in the form that `path`'s suffix and content tell:
/// - .json, COCO: `images[].id, file_name`, `annotations[].image_id, caption, id`;
/// - .json, Karpathy's splits (dataset_coco.json, dataset_flickr30k.json): `images[].filename,
///   filepath, split, sentences[].raw, sentid`, of which only the images of `split` are read (all
///   where it is empty);
/// - .csv with the columns image, caption (CsvReader);
/// - .tar, .tar.gz, .tgz: WebDataset; of each sample the member .txt, one caption a line;
/// - else a TSV with the columns image_id, caption.
///
/// Throws kIo; kData, naming the place, for what is malformed, blank captions, captions of an image
/// that COCO's file does not list, and files without captions.
CaptionFile read_caption_file(const std::filesystem::path& path, std::string_view split = "test");

/// `text`, read from the column or member `name` of `where`. Throws kData if it is blank.
std::string filled(std::string_view text, std::string_view name, std::string_view where);

}  // namespace paraclip
