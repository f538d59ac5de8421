// Attention within short packed sequences, for the instruction set of the including file.
#pragma once

#include "paraclip/nn/kernels/kernels.h"
#include "paraclip/nn/kernels/simd.h"

namespace paraclip::kernels {
namespace {

// The rows that a token can see, by their depth: a stack. Rows come in the order of a depth-first
// walk, so the latest row of each smaller depth is the token's predecessor there.
struct Stack {
  int64_t width;                           // Of a head, rounded up to whole vectors; the rest is 0.
  float *keys, *values;                    // [depth][width]
  float *key_gradients, *value_gradients;  // [depth][width]
  float *scores, *score_gradients;         // [depth], whole vectors
  int64_t* rows;                           // [depth]
  float *query, *out;                      // [width]
};

int64_t attention_scratch(int64_t max_depth, int64_t head_width) {
  const int64_t depth = padded(max_depth), width = padded(head_width);
  return (4 * depth * width + 2 * depth + 2 * width) * 4 + depth * 8 + 64;
}

Stack make_stack(std::byte* scratch, int64_t max_depth, int64_t head_width) {
  Stack s{};
  s.width = padded(head_width);
  const int64_t depth = padded(max_depth);
  auto* next = reinterpret_cast<float*>(scratch);
  const auto take = [&](int64_t count) {
    float* result = next;
    next += count;
    return result;
  };
  for (float** part : {&s.keys, &s.values, &s.key_gradients, &s.value_gradients}) {
    *part = take(depth * s.width);
  }
  s.scores = take(depth);
  s.score_gradients = take(depth);
  s.query = take(s.width);
  s.out = take(s.width);
  s.rows = reinterpret_cast<int64_t*>(next);
  return s;
}

// Which of queries, keys and values.
template <bool kBf16>
const std::byte* part_of(const AttentionCall& c, int64_t row, int64_t part) {
  return c.qkv + (row * c.qkv_stride + part * c.width + c.head * c.head_width) * kSize<kBf16>;
}

template <bool kBf16>
void load_row(const std::byte* from, int64_t head_width, float* to) {
  for_vectors(head_width,
              [&](int64_t i, int n) { store_as(to + i, load_some<kBf16>(from, i, n)); });
}

template <bool kBf16, bool kGradient>
void push(const AttentionCall& c, Stack& s, int64_t row, int64_t depth) {
  load_row<kBf16>(part_of<kBf16>(c, row, 1), c.head_width, s.keys + depth * s.width);
  load_row<kBf16>(part_of<kBf16>(c, row, 2), c.head_width, s.values + depth * s.width);
  if constexpr (kGradient) {
    s.rows[depth] = row;
    for (int64_t i = 0; i < s.width; i += kLanes) {
      store_as(s.key_gradients + depth * s.width + i, Floats{});
      store_as(s.value_gradients + depth * s.width + i, Floats{});
    }
  }
}

// The loops over a head's vectors, kCount of them; 0: as many as there are.
template <int kCount>
struct Heads {
  static int64_t count(const Stack& s) { return kCount > 0 ? kCount : s.width / kLanes; }

  // out[j] = row . rows[j] for j < reach, by whole vectors; what stands beyond means nothing.
  static void products(const Stack& s, const float* row, const float* rows, int64_t reach,
                       float* out) {
    const int64_t vectors = count(s);
    for (int64_t first = 0; first < reach; first += kLanes) {
      Floats parts[kLanes];
#pragma GCC unroll 16
      for (int j = 0; j < kLanes; ++j) {
        parts[j] = Floats{};
        if (first + j >= reach) continue;
        const float* other = rows + (first + j) * s.width;
        for (int64_t v = 0; v < vectors; ++v) {
          parts[j] += load_as<Floats>(row + v * kLanes) * load_as<Floats>(other + v * kLanes);
        }
      }
      store_as(out + first, sums_of(parts));
    }
  }

  // out = sum over j < reach of factors[j] * rows[j]
  static void mix(const Stack& s, const float* factors, const float* rows, int64_t reach,
                  float* out) {
    constexpr int kAtOnce = kCount > 0 ? kCount : 1;
    for (int64_t v = 0; v < count(s); v += kAtOnce) {
      Floats sums[kAtOnce] = {};
      for (int64_t j = 0; j < reach; ++j) {
#pragma GCC unroll 16
        for (int i = 0; i < kAtOnce; ++i) {
          sums[i] += factors[j] * load_as<Floats>(rows + j * s.width + (v + i) * kLanes);
        }
      }
#pragma GCC unroll 16
      for (int i = 0; i < kAtOnce; ++i) store_as(out + (v + i) * kLanes, sums[i]);
    }
  }

  // rows[j] += factors[j] * row for j < reach
  static void spread(const Stack& s, const float* factors, const float* row, int64_t reach,
                     float* rows) {
    for (int64_t j = 0; j < reach; ++j) {
      for (int64_t v = 0; v < count(s); ++v) {
        float* at = rows + j * s.width + v * kLanes;
        store_as(at, load_as<Floats>(at) + factors[j] * load_as<Floats>(row + v * kLanes));
      }
    }
  }
};

// Turns scores over the first `reach` depths into the attention probabilities; 0 up to the end of
// the last vector.
void softmax(float* scores, int64_t reach, float scale) {
  const Signed lanes = lane_numbers();
  const auto masked = [&](int64_t j, float other) {
    return select(lanes < static_cast<int32_t>(reach - j), load_as<Floats>(scores + j),
                  splat(other));
  };
  Floats most = splat(-__builtin_inff());
  for (int64_t j = 0; j < reach; j += kLanes) most = larger(most, masked(j, -__builtin_inff()));
  const float highest = largest_of(most);
  Floats sum = {};
  for (int64_t j = 0; j < reach; j += kLanes) {
    const Floats e = exponential((masked(j, -__builtin_inff()) - highest) * scale);
    store_as(scores + j, e);
    sum += e;
  }
  const float factor = 1.0f / sum_of(sum);
  for (int64_t j = 0; j < reach; j += kLanes) {
    store_as(scores + j, load_as<Floats>(scores + j) * factor);
  }
}

template <bool kBf16, class Loops>
void attend(const AttentionCall& c, Stack& s, int64_t row, int64_t reach) {
  load_row<kBf16>(part_of<kBf16>(c, row, 0), c.head_width, s.query);
  Loops::products(s, s.query, s.keys, reach, s.scores);
  softmax(s.scores, reach, reciprocal_root(static_cast<float>(c.head_width)));
  Loops::mix(s, s.scores, s.values, reach, s.out);
  std::byte* to = c.out + (row * c.out_stride + c.head * c.head_width) * kSize<kBf16>;
  for_vectors(c.head_width,
              [&](int64_t i, int n) { store_some<kBf16>(to, i, load_as<Floats>(s.out + i), n); });
}

template <bool kBf16>
void store_gradient(const AttentionCall& c, int64_t row, int64_t part, const float* gradient) {
  std::byte* to =
      c.qkv_gradient +
      (row * c.qkv_gradient_stride + part * c.width + c.head * c.head_width) * kSize<kBf16>;
  for_vectors(c.head_width, [&](int64_t i, int n) {
    store_some<kBf16>(to, i, load_as<Floats>(gradient + i), n);
  });
}

// dv += P^T dout, dS = P (dP - sum(P dP)), dq = dS k, dk += dS^T q.
template <bool kBf16, class Loops>
void attend_gradient(const AttentionCall& c, Stack& s, int64_t row, int64_t reach) {
  const float scale = reciprocal_root(static_cast<float>(c.head_width));
  load_row<kBf16>(part_of<kBf16>(c, row, 0), c.head_width, s.query);
  Loops::products(s, s.query, s.keys, reach, s.scores);
  softmax(s.scores, reach, scale);
  const std::byte* out_gradient =
      c.out_gradient + (row * c.out_gradient_stride + c.head * c.head_width) * kSize<kBf16>;
  load_row<kBf16>(out_gradient, c.head_width, s.out);
  Loops::products(s, s.out, s.values, reach, s.score_gradients);
  Loops::spread(s, s.scores, s.out, reach, s.value_gradients);
  Floats sum = {};
  for (int64_t j = 0; j < reach; j += kLanes) {
    sum += load_as<Floats>(s.scores + j) * load_as<Floats>(s.score_gradients + j);
  }
  const float mean = sum_of(sum);
  for (int64_t j = 0; j < reach; j += kLanes) {
    const Floats slope = (load_as<Floats>(s.score_gradients + j) - mean) * scale;
    store_as(s.score_gradients + j, load_as<Floats>(s.scores + j) * slope);
  }
  Loops::spread(s, s.score_gradients, s.query, reach, s.key_gradients);
  Loops::mix(s, s.score_gradients, s.keys, reach, s.query);
  store_gradient<kBf16>(c, row, 0, s.query);
}

// Writes what has gathered for the depths from `from` to `to`: no later row sees them.
template <bool kBf16>
void flush(const AttentionCall& c, const Stack& s, int64_t from, int64_t to) {
  for (int64_t depth = from; depth < to; ++depth) {
    store_gradient<kBf16>(c, s.rows[depth], 1, s.key_gradients + depth * s.width);
    store_gradient<kBf16>(c, s.rows[depth], 2, s.value_gradients + depth * s.width);
  }
}

template <bool kBf16, bool kGradient, class Loops>
void visit(const AttentionCall& c, Stack& s, int64_t row, int64_t reach) {
  if (c.active == nullptr || c.active[row] != 0) {
    if constexpr (kGradient) {
      attend_gradient<kBf16, Loops>(c, s, row, reach);
    } else {
      attend<kBf16, Loops>(c, s, row, reach);
    }
  } else if constexpr (kGradient) {
    for (int64_t i = 0; i < s.width; i += kLanes) store_as(s.query + i, Floats{});
    store_gradient<kBf16>(c, row, 0, s.query);
  }
}

template <bool kBf16, bool kGradient, class Loops>
void walk(const AttentionCall& c, std::byte* scratch) {
  Stack s = make_stack(scratch, c.max_depth, c.head_width);
  int64_t held = 0;  // Depths on the stack.
  for (int64_t row = c.begin; row < c.end;) {
    const int64_t depth = c.depths[row];
    if constexpr (kGradient) flush<kBf16>(c, s, depth, held);
    if (c.causal) {
      push<kBf16, kGradient>(c, s, row, depth);
      held = depth + 1;
      visit<kBf16, kGradient, Loops>(c, s, row, held);
      ++row;
      continue;
    }
    held = 0;
    do {
      push<kBf16, kGradient>(c, s, row + held, held);
      ++held;
    } while (row + held < c.end && c.depths[row + held] != 0);
    for (int64_t i = 0; i < held; ++i) visit<kBf16, kGradient, Loops>(c, s, row + i, held);
    row += held;
  }
  if constexpr (kGradient) flush<kBf16>(c, s, 0, held);
}

// Heads are 64 wide in nearly all of CLIP's towers.
template <bool kGradient>
void walk_any(const AttentionCall& c, std::byte* scratch) {
  using Usual = Heads<64 / kLanes>;
  using Any = Heads<0>;
  if (padded(c.head_width) == 64) {
    return c.bfloat16 ? walk<true, kGradient, Usual>(c, scratch)
                      : walk<false, kGradient, Usual>(c, scratch);
  }
  return c.bfloat16 ? walk<true, kGradient, Any>(c, scratch)
                    : walk<false, kGradient, Any>(c, scratch);
}

void attention(const AttentionCall& c, std::byte* scratch) { walk_any<false>(c, scratch); }

void attention_gradient(const AttentionCall& c, std::byte* scratch) { walk_any<true>(c, scratch); }

}  // namespace
}  // namespace paraclip::kernels
