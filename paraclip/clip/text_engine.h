#pragma once

#include "paraclip/clip/checkpoint.h"
#include "paraclip/clip/config.h"
#include "paraclip/clip/packed_text.h"
#include "paraclip/clip/precision.h"

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>

namespace paraclip {

/// What a backward pass needs of its forward pass.
class TextTape {
 public:
  virtual ~TextTape() = default;
};

/// CLIP's text transformer over packed texts on the CPU, forward and backward, without autograd.
///
/// Rows that do not depend on each other go through several products while they are in a core's
/// cache; only attention and the gradients of weights need all of them. Results do not depend on
/// the number of threads. Memory is kept from pass to pass.
///
/// In bfloat16, matrices, their inputs and the gradients that enter products are bfloat16; the
/// residual stream, norms, softmax, sums and the gradients of weights are float32.
class TextEngine {
 public:
  /// Computes with `parameters`, the tensors of text_tensor_names(config), which must outlive it.
  /// Packed copies of them are made when a pass begins and any has changed since the last (its
  /// version counter tells).
  TextEngine(const TextConfig& config, std::span<const NamedTensor> parameters,
             Precision precision);
  ~TextEngine();

  /// Embeddings, not normalised: [text.batch(), projection_dim] float32. With `tape`, keeps there
  /// what backward() needs.
  at::Tensor forward(const PackedText& text, std::unique_ptr<TextTape>* tape = nullptr);

  /// Adds the gradients of the parameters that require one to their `grad`, given that of
  /// forward()'s result; a missing `grad` is made. Not logit_scale's.
  void backward(const PackedText& text, const TextTape& tape, const at::Tensor& gradient);

  /// Takes a tape's memory back for the next.
  void recycle(std::unique_ptr<TextTape> tape);

  /// The bytes of a tape for texts of `rows` rows, of which `ends` are ends.
  int64_t tape_bytes(int64_t rows, int64_t ends) const;

 private:
  friend class BackwardPass;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paraclip
