// Writing preprocessing as the configuration files of the two families.

#include "paraclip/base/error.h"
#include "paraclip/image/preprocess.h"

namespace paraclip {

Json Preprocessing::to_hf() const {
  if (resize_mode == ResizeMode::kLongest) {
    fail(ErrorKind::kUsage,
         "the images' longer side is resized and the rest padded, for which a "
         "preprocessor_config.json of CLIPImageProcessor has no words");
  }
  Json json = Json::object();
  json["image_processor_type"] = "CLIPImageProcessor";
  json["do_convert_rgb"] = true;
  json["do_resize"] = resize_mode != ResizeMode::kNone;
  json["size"] = resize_mode == ResizeMode::kSquash
                     ? Json{{"height", resize_size}, {"width", resize_size}}
                     : Json{{"shortest_edge", resize_size}};
  json["resample"] = 3;  // Pillow's BICUBIC
  json["do_center_crop"] = true;
  json["crop_size"] = {{"height", image_size}, {"width", image_size}};
  json["do_rescale"] = true;
  json["rescale_factor"] = rescale_factor;
  json["do_normalize"] = true;
  json["image_mean"] = mean;
  json["image_std"] = std;
  return json;
}

Json Preprocessing::to_open_clip() const {
  constexpr double kRescale = 1.0 / 255;
  const char* mode = resize_mode == ResizeMode::kShortest  ? "shortest"
                     : resize_mode == ResizeMode::kLongest ? "longest"
                     : resize_mode == ResizeMode::kSquash  ? "squash"
                                                           : nullptr;
  if (mode == nullptr || resize_size != image_size || rescale_factor != kRescale) {
    fail(ErrorKind::kUsage,
         "the images are prepared in a way for which open_clip_config.json has no words (resize "
         "to {}, crop to {}, factor {}); expected one size and the factor 1/255",
         resize_mode == ResizeMode::kNone ? "nothing" : fmt::format("{}", resize_size), image_size,
         rescale_factor);
  }
  return {{"mean", mean}, {"std", std}, {"interpolation", "bicubic"}, {"resize_mode", mode}};
}

}  // namespace paraclip
