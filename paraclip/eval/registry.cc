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
    BenchmarkEntry{"sugarcrepe", "SugarCrepe",
                   "whether a photo is nearer to its caption than to a nearly equal false one",
                   load_sugarcrepe},
    BenchmarkEntry{"sugarcrepe_pp", "SugarCrepe++",
                   "whether two captions that mean the same are nearer to the photo (ITT) and to "
                   "each other (TOT) than a false one that is worded alike",
                   load_sugarcrepe_pp},
    BenchmarkEntry{"aro_relation", "ARO VG-Relation", "whether it tells \"A on B\" from \"B on A\"",
                   load_aro_relation},
    BenchmarkEntry{"aro_attribution", "ARO VG-Attribution",
                   "whether it tells which object has which attribute", load_aro_attribution},
    BenchmarkEntry{"order_coco", "COCO-Order",
                   "whether a caption is nearer to its photo than its words in another order",
                   load_order_coco},
    BenchmarkEntry{"order_flickr30k", "Flickr30k-Order", "as COCO-Order, on Flickr30k",
                   load_order_flickr30k},
    BenchmarkEntry{
        "sts", "Semantic textual similarity",
        "how cosines of sentences agree with human judgement (STS12 to STS16, STS-B, SICK-R)",
        load_sts},
    BenchmarkEntry{"negation", "Negation",
                   "whether a caption is nearer to its paraphrase than to its denial",
                   load_negation},
    BenchmarkEntry{"own", "Your own data", "recall on your captions, stability of your queries",
                   load_own},
};

}  // namespace

std::span<const BenchmarkEntry> benchmarks() { return kBenchmarks; }

}  // namespace paraclip
