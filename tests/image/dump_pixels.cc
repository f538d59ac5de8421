// Decodes, resizes or preprocesses pictures for scripts/compare_images.py, and measures how fast.
//
//   dump_pixels decode FILE...            the decoded bytes
//   dump_pixels rgb FILE...               convert("RGB")
//   dump_pixels resize WIDTH HEIGHT FILE... the resized bytes
//   dump_pixels preprocess CONFIG FILE... the floats; CONFIG is a preprocessor_config.json or an
//                                         open_clip_config.json
//   dump_pixels time CONFIG REPEATS FILE... images a second, as JSON
//
// Each picture is one line of JSON on stdout, {"mode", "width", "height", "bytes"} or {"error"},
// followed by that many bytes.

#include "paraclip/base/error.h"
#include "paraclip/base/file.h"
#include "paraclip/base/json.h"
#include "paraclip/image/decode.h"
#include "paraclip/image/preprocess.h"
#include "paraclip/image/resize.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace {

using paraclip::Image;
using paraclip::Json;
using paraclip::Preprocessing;

constexpr int64_t kMaxPixels = 100'000'000;

void write(const Json& header, const void* bytes, size_t size) {
  Json line = header;
  line["bytes"] = size;
  fmt::print("{}\n", line.dump());
  std::fwrite(bytes, 1, size, stdout);
}

void write_image(const Image& image) {
  write(
      {{"mode", paraclip::mode_name(image.mode)}, {"width", image.width}, {"height", image.height}},
      image.pixels.data(), image.pixels.size());
}

Image decode(const std::string& path) {
  const auto file = paraclip::MappedFile::open(path);
  return paraclip::decode_image(file->bytes(), path, kMaxPixels);
}

Preprocessing read_config(const std::string& path) {
  const Json config = paraclip::read_json(path);
  return config.contains("model_cfg") ? Preprocessing::from_open_clip(config, path)
                                      : Preprocessing::from_hf(config, path);
}

std::vector<float> make_room(const Preprocessing& preprocessing) {
  const auto side = static_cast<size_t>(preprocessing.image_size);
  return std::vector<float>(3 * side * side);
}

template <typename Use>
void for_each_file(const std::vector<std::string>& arguments, size_t first, const Use& use) {
  for (size_t i = first; i < arguments.size(); ++i) {
    try {
      use(arguments[i]);
    } catch (const paraclip::Error& error) {
      write({{"error", error.what()}}, nullptr, 0);
    }
  }
}

double seconds_of(const std::vector<Image>& images, int repeats,
                  const Preprocessing& preprocessing) {
  std::vector<float> out = make_room(preprocessing);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) {
    for (const Image& image : images) paraclip::preprocess(image, preprocessing, out);
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void measure(const std::vector<std::string>& arguments) {
  const Preprocessing preprocessing = read_config(arguments[1]);
  const int repeats = std::stoi(arguments[2]);
  const std::vector<std::string> paths(arguments.begin() + 3, arguments.end());
  std::vector<Image> images;
  for (const std::string& path : paths) images.push_back(decode(path));  // Also warms the caches.
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) {
    for (const std::string& path : paths) decode(path);
  }
  const double decoding =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double count = static_cast<double>(paths.size()) * repeats;
  const Json result = {
      {"decode_per_second", count / decoding},
      {"preprocess_per_second", count / seconds_of(images, repeats, preprocessing)}};
  fmt::print("{}\n", result.dump());
}

int run(const std::vector<std::string>& arguments) {
  const std::string what = arguments.empty() ? "" : arguments[0];
  if (what == "decode") {
    for_each_file(arguments, 1, [](const std::string& path) { write_image(decode(path)); });
  } else if (what == "rgb") {
    for_each_file(arguments, 1, [](const std::string& path) {
      write_image(paraclip::convert_to_rgb(decode(path)));
    });
  } else if (what == "resize" && arguments.size() >= 3) {
    const int width = std::stoi(arguments[1]);
    const int height = std::stoi(arguments[2]);
    for_each_file(arguments, 3, [&](const std::string& path) {
      write_image(paraclip::resize_bicubic(decode(path), width, height));
    });
  } else if (what == "preprocess" && arguments.size() >= 2) {
    const Preprocessing preprocessing = read_config(arguments[1]);
    std::vector<float> out = make_room(preprocessing);
    for_each_file(arguments, 2, [&](const std::string& path) {
      paraclip::preprocess(decode(path), preprocessing, out);
      write(preprocessing.to_json(), out.data(), out.size() * sizeof(float));
    });
  } else if (what == "time" && arguments.size() >= 4) {
    measure(arguments);
  } else {
    fmt::print(stderr, "usage: see the comment at the top of dump_pixels.cc\n");
    return 2;
  }
  return 0;
}

}  // namespace

int main(int count, char** values) {
  try {
    return run({values + 1, values + count});
  } catch (const std::exception& error) {
    fmt::print(stderr, "dump_pixels: {}\n", error.what());
    return 3;
  }
}
