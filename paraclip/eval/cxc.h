#pragma once

#include <cstdint>
#include <span>

namespace paraclip {

/// The sampled Spearman correlation of Crisscrossed Captions (Parekh et al., EACL 2021): each of
/// `estimates` correlations is 100 times Spearman's of the pairs that one draw gives, which takes
/// half of the queries (rounded down, none twice) and of each one of its pairs; the result is their
/// mean. Pair i is of query `queries[i]`, numbered from 0, each with at least one pair. A pure
/// function of its arguments, whatever the number of threads.
double sampled_spearman(std::span<const double> x, std::span<const double> y,
                        std::span<const int64_t> queries, int64_t estimates = 1000,
                        uint64_t seed = 0);

}  // namespace paraclip
