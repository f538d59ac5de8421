#pragma once

#include <string_view>

namespace paraclip {

/// CLIP's merges as OpenAI published them (bpe_simple_vocab_16e6.txt, MIT): a line that names the
/// version, then 48,894 lines of two symbols, the first merge first. Part of the binary.
std::string_view embedded_bpe_merges();

/// The named character references of HTML
/// (https://html.spec.whatwg.org/#named-character-references): a line each, "NAME HEX" or "NAME HEX
/// HEX", sorted by the bytes of NAME, which ends in ';' except for the 106 that browsers accept
/// without. Part of the binary.
std::string_view embedded_html_entities();

}  // namespace paraclip
