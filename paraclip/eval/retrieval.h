#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace paraclip {

/// The place of a query's target in its ranking: 1 is the best.
using Rank = int64_t;

/// Text-to-image retrieval: for each text the rank of its image among all images.
///
/// `texts` [n, d] and `images` [m, d] are float32 unit rows, `image_of_text` [n] the row of each
/// text's image. Rankings are in the order of top_k(). Throws as top_k().
std::vector<Rank> text_to_image_ranks(const at::Tensor& texts, const at::Tensor& images,
                                      std::span<const int64_t> image_of_text);

/// Image-to-text retrieval: for each image the rank of the best placed of its texts among all
/// texts. As text_to_image_ranks(); each image must have a text.
///
/// `text_identity` [n] numbers the texts so that equal texts have equal numbers. A text that
/// several images share is right for each of them, whichever of its rows is found: its rows tie in
/// every encoder, and the order of rows must not decide whose hit it is.
std::vector<Rank> image_to_text_ranks(const at::Tensor& texts, const at::Tensor& images,
                                      std::span<const int64_t> image_of_text,
                                      std::span<const int64_t> text_identity);

/// Recall@k in percent: the share of queries whose target is among the first `k`. `ranks` must not
/// be empty.
double recall_percent(std::span<const Rank> ranks, int64_t k);

}  // namespace paraclip
