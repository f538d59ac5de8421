#include "paraclip/clip/embedded.h"

// Defined by embedded_data.S.
extern "C" {
extern const char paraclip_bpe_merges_begin[];
extern const char paraclip_bpe_merges_end[];
extern const char paraclip_html_entities_begin[];
extern const char paraclip_html_entities_end[];
}

namespace paraclip {

std::string_view embedded_bpe_merges() {
  return {paraclip_bpe_merges_begin, paraclip_bpe_merges_end};
}

std::string_view embedded_html_entities() {
  return {paraclip_html_entities_begin, paraclip_html_entities_end};
}

}  // namespace paraclip
