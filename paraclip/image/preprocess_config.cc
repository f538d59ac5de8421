#include "paraclip/base/error.h"
#include "paraclip/image/preprocess.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace paraclip {

namespace {

constexpr int64_t kMaxSide = 16384;
constexpr int kPillowBicubic = 3;

/// A side of a picture in pixels, checked.
int to_side(const Json& value, std::string_view key, std::string_view where) {
  if (!value.is_number_integer() || value < 1 || value > kMaxSide) {
    fail(ErrorKind::kData, "{}: \"{}\" is {}; expected a side in pixels, 1 to {}", where, key,
         dump_json(value), kMaxSide);
  }
  return value.get<int>();
}

/// One side for both: `n`, `[n, n]` or {"height": n, "width": n}.
int to_square(const Json& value, std::string_view key, std::string_view where) {
  Json height = value;
  Json width = value;
  if (value.is_array() && value.size() == 2) {
    height = value[0];
    width = value[1];
  } else if (value.is_object() && value.contains("height") && value.contains("width")) {
    height = value["height"];
    width = value["width"];
  }
  const int side = to_side(height, key, where);
  if (to_side(width, key, where) != side) {
    fail(ErrorKind::kData, "{}: \"{}\" is {}; only square pictures are supported", where, key,
         dump_json(value));
  }
  return side;
}

bool flag_or(const Json& config, std::string_view key, bool fallback, std::string_view where) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return fallback;
  if (!found->is_boolean()) {
    fail(ErrorKind::kData, "{}: \"{}\" is {}; expected true or false", where, key,
         dump_json(*found));
  }
  return found->get<bool>();
}

/// Three numbers, or one for all three.
void read_channels(const Json& config, std::string_view key, std::string_view where,
                   std::array<double, 3>& values) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return;
  if (found->is_number()) {
    values.fill(found->get<double>());
    return;
  }
  if (!found->is_array() || found->size() != 3 ||
      !std::all_of(found->begin(), found->end(), [](const Json& v) { return v.is_number(); })) {
    fail(ErrorKind::kData, "{}: \"{}\" is {}; expected three numbers", where, key,
         dump_json(*found));
  }
  for (size_t c = 0; c < 3; ++c) values[c] = (*found)[c].get<double>();
}

[[noreturn]] void refuse(const Json& value, std::string_view key, std::string_view where,
                         std::string_view supported) {
  fail(ErrorKind::kData, "{}: \"{}\": {} is not supported; {} is", where, key, dump_json(value),
       supported);
}

void expect_object(const Json& config, std::string_view where) {
  if (!config.is_object()) {
    fail(ErrorKind::kData, "{}: expected a JSON object with the preprocessing", where);
  }
}

/// Turns a message about a value that makes no sense into one about the file.
void check_read(const Preprocessing& preprocessing, std::string_view where) {
  try {
    preprocessing.validate();
  } catch (const Error& error) {
    fail(ErrorKind::kData, "{}: {}", where, error.what());
  }
}

/// Refuses processors that do other steps than CLIP's.
void check_processor_type(const Json& config, std::string_view where) {
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    const std::string type = json_string_or(config, key, "", where);
    if (type.empty()) continue;
    if (type != "CLIPImageProcessor" && type != "CLIPImageProcessorPil" &&
        type != "CLIPImageProcessorFast" && type != "CLIPFeatureExtractor") {
      refuse(type, key, where, "\"CLIPImageProcessor\"");
    }
  }
}

/// "size": a number or {"shortest_edge"} keeps the shape, {"height", "width"} does not.
void read_hf_size(const Json& config, std::string_view where, Preprocessing& preprocessing) {
  const Json size = config.contains("size") ? config["size"] : Json(224);
  if (!size.is_object()) {
    preprocessing.resize_size = to_side(size, "size", where);
  } else if (size.contains("height") && size.contains("width") && size.size() == 2) {
    preprocessing.resize_mode = ResizeMode::kSquash;
    preprocessing.resize_size = to_square(size, "size", where);
  } else if (size.contains("shortest_edge") && size.size() == 1) {
    preprocessing.resize_size = to_side(size["shortest_edge"], "size.shortest_edge", where);
  } else {
    refuse(size, "size", where, "a number, {\"shortest_edge\"} or {\"height\", \"width\"}");
  }
}

std::string_view resize_mode_name(ResizeMode mode) {
  switch (mode) {
    case ResizeMode::kNone: return "none";
    case ResizeMode::kShortest: return "shortest";
    case ResizeMode::kLongest: return "longest";
    case ResizeMode::kSquash: return "squash";
  }
  return "?";
}

}  // namespace

Preprocessing Preprocessing::from_hf(const Json& config, std::string_view where) {
  expect_object(config, where);
  check_processor_type(config, where);
  Preprocessing preprocessing;
  preprocessing.family = PreprocessFamily::kHf;
  if (!flag_or(config, "do_convert_rgb", true, where)) {
    refuse(false, "do_convert_rgb", where, "true");
  }
  for (const char* key : {"do_pad", "use_square_size"}) {
    if (flag_or(config, key, false, where)) refuse(true, key, where, "false");
  }
  if (json_integer_or(config, "resample", kPillowBicubic, where) != kPillowBicubic) {
    refuse(config["resample"], "resample", where, "3 (bicubic)");
  }
  read_hf_size(config, where, preprocessing);
  const bool resizes = flag_or(config, "do_resize", true, where);
  if (!resizes) preprocessing.resize_mode = ResizeMode::kNone;
  if (flag_or(config, "do_center_crop", true, where)) {
    const Json crop = config.contains("crop_size") ? config["crop_size"] : Json(224);
    preprocessing.image_size = to_square(crop, "crop_size", where);
  } else if (preprocessing.resize_mode == ResizeMode::kSquash) {
    preprocessing.image_size = preprocessing.resize_size;
  } else {
    refuse(false, "do_center_crop", where, "true, or a \"size\" with height and width,");
  }
  if (!resizes) preprocessing.resize_size = preprocessing.image_size;
  // Left out steps are steps with numbers that change nothing.
  preprocessing.rescale_factor =
      flag_or(config, "do_rescale", true, where)
          ? json_number_or(config, "rescale_factor", preprocessing.rescale_factor, where)
          : 1.0;
  if (flag_or(config, "do_normalize", true, where)) {
    read_channels(config, "image_mean", where, preprocessing.mean);
    read_channels(config, "image_std", where, preprocessing.std);
  } else {
    preprocessing.mean = {0, 0, 0};
    preprocessing.std = {1, 1, 1};
  }
  check_read(preprocessing, where);
  return preprocessing;
}

Preprocessing Preprocessing::from_open_clip(const Json& config, std::string_view where) {
  expect_object(config, where);
  const Json empty = Json::object();
  const auto member = [&](const Json& object, const char* key) -> const Json& {
    const auto found = object.find(key);
    if (found == object.end() || found->is_null()) return empty;
    expect_object(*found, fmt::format("{}, \"{}\"", where, key));
    return *found;
  };
  Preprocessing preprocessing;
  const Json& vision = member(member(config, "model_cfg"), "vision_cfg");
  if (vision.contains("image_size")) {
    preprocessing.image_size = to_square(vision["image_size"], "image_size", where);
  }
  preprocessing.resize_size = preprocessing.image_size;

  const Json& steps = member(config, "preprocess_cfg");
  read_channels(steps, "mean", where, preprocessing.mean);
  read_channels(steps, "std", where, preprocessing.std);
  const std::string color = json_string_or(steps, "mode", "RGB", where);
  if (color != "RGB") refuse(color, "mode", where, "\"RGB\"");
  const std::string interpolation = json_string_or(steps, "interpolation", "bicubic", where);
  // "random" is for training; open_clip takes bicubic for inference.
  if (interpolation != "bicubic" && interpolation != "random") {
    refuse(interpolation, "interpolation", where, "\"bicubic\"");
  }
  if (json_integer_or(steps, "fill_color", 0, where) != 0) {
    refuse(steps["fill_color"], "fill_color", where, "0");
  }
  const std::string mode = json_string_or(steps, "resize_mode", "shortest", where);
  if (mode == "longest") {
    preprocessing.resize_mode = ResizeMode::kLongest;
  } else if (mode == "squash") {
    preprocessing.resize_mode = ResizeMode::kSquash;
  } else if (mode != "shortest") {
    refuse(mode, "resize_mode", where, "\"shortest\", \"longest\" or \"squash\"");
  }
  check_read(preprocessing, where);
  return preprocessing;
}

Json Preprocessing::to_json() const {
  return {{"family", family == PreprocessFamily::kOpenClip ? "open_clip" : "hf"},
          {"image_size", image_size},
          {"resize_mode", resize_mode_name(resize_mode)},
          {"resize_size", resize_size},
          {"interpolation", "bicubic"},
          {"rescale_factor", rescale_factor},
          {"mean", mean},
          {"std", std}};
}

void Preprocessing::validate() const {
  if (image_size < 1 || image_size > kMaxSide || resize_size < 1 || resize_size > kMaxSide) {
    fail(ErrorKind::kUsage, "pictures of {} pixels, resized to {}: both must be 1 to {}",
         image_size, resize_size, kMaxSide);
  }
  if (!std::isfinite(rescale_factor)) {
    fail(ErrorKind::kUsage, "the rescale factor is {}; it must be finite", rescale_factor);
  }
  for (size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(mean[c]) || !std::isfinite(std[c]) || static_cast<float>(std[c]) == 0) {
      fail(ErrorKind::kUsage,
           "channel {} is normalised by mean {} and deviation {}: both must be finite, the "
           "deviation not zero",
           c, mean[c], std[c]);
    }
  }
}

}  // namespace paraclip
