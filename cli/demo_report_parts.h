#pragma once

#include "cli/demo_report.h"
#include "paraclip/base/json.h"
#include "paraclip/eval/html.h"

#include <filesystem>
#include <string>
#include <string_view>

// What the files of the demo's report share.
namespace paraclip::cli {

/// The member `key` of `object`, which `file` holds, checked to be of `type` and not empty. Throws
/// kData.
const Json& part(const Json& object, const std::string& key, Json::value_t type,
                 const std::filesystem::path& file);

/// Shows the scene `id` of the folder `images`; `id` may leave its ".jpg" out. Throws kIo, kData.
html::Html show_image(html::PictureBook& pictures, const std::filesystem::path& images,
                      const std::string& id, std::string_view description);

/// What the language model made of the captions: counts, triples, rejected outputs by reason.
/// Throws kIo, kData.
html::Html paraphrases_section(const DemoReport& report, html::PictureBook& pictures);

}  // namespace paraclip::cli
