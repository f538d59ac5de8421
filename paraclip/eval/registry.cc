#include "paraclip/eval/registry.h"

#include <array>

namespace paraclip {
namespace {

constexpr std::array kBenchmarks = {
    BenchmarkEntry{"paraphrased_coco", "Paraphrased retrieval, COCO",
                   "whether a query and its paraphrase find the same images",
                   load_paraphrased_coco},
    BenchmarkEntry{"paraphrased_flickr8k", "Paraphrased retrieval, Flickr8k",
                   "whether a query and its paraphrase find the same images",
                   load_paraphrased_flickr8k},
    BenchmarkEntry{"retrieval_coco", "Retrieval, COCO",
                   "whether captions find their images, and images their captions",
                   load_retrieval_coco},
    BenchmarkEntry{"retrieval_flickr30k", "Retrieval, Flickr30k",
                   "whether captions find their images, and images their captions",
                   load_retrieval_flickr30k},
    BenchmarkEntry{"retrieval_flickr8k", "Retrieval, Flickr8k",
                   "whether captions find their images, and images their captions",
                   load_retrieval_flickr8k},
    BenchmarkEntry{"zeroshot", "Zero-shot classification",
                   "whether the prompts of an image's class fit it best", load_zeroshot},
    BenchmarkEntry{"cxc", "Crisscrossed Captions",
                   "whether similarities of captions and images are those that people see",
                   load_cxc},
    BenchmarkEntry{"own", "Your own data", "recall on your captions, stability of your queries",
                   load_own},
};

}  // namespace

std::span<const BenchmarkEntry> benchmarks() { return kBenchmarks; }

}  // namespace paraclip
