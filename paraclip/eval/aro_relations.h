#pragma once

#include <span>
#include <string_view>

namespace paraclip {

/// The relations of Visual Genome that ARO's published VG-Relation score leaves out, because
/// swapping their sides gives no false caption: the list `symmetric` of its notebook "Replicate
/// ARO!" (github.com/mertyg/vision-language-models-are-bows).
std::span<const std::string_view> symmetric_relations();

/// Whether `relation` is one of them.
bool is_symmetric_relation(std::string_view relation);

}  // namespace paraclip
