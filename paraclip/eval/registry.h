#pragma once

#include "paraclip/eval/benchmark.h"

namespace paraclip {

// What loads each benchmark; registry.cc puts them in order and gives them their names.
LoadedBenchmark load_retrieval_coco(const BenchmarkData& data);
LoadedBenchmark load_retrieval_flickr30k(const BenchmarkData& data);
LoadedBenchmark load_retrieval_flickr8k(const BenchmarkData& data);
LoadedBenchmark load_paraphrased_coco(const BenchmarkData& data);
LoadedBenchmark load_paraphrased_flickr8k(const BenchmarkData& data);
LoadedBenchmark load_zeroshot(const BenchmarkData& data);
LoadedBenchmark load_cxc(const BenchmarkData& data);
LoadedBenchmark load_own(const BenchmarkData& data);
LoadedBenchmark load_sts(const BenchmarkData& data);
LoadedBenchmark load_sugarcrepe(const BenchmarkData& data);
LoadedBenchmark load_sugarcrepe_pp(const BenchmarkData& data);
LoadedBenchmark load_aro_relation(const BenchmarkData& data);
LoadedBenchmark load_aro_attribution(const BenchmarkData& data);
LoadedBenchmark load_order_coco(const BenchmarkData& data);
LoadedBenchmark load_order_flickr30k(const BenchmarkData& data);
LoadedBenchmark load_negation(const BenchmarkData& data);

}  // namespace paraclip
