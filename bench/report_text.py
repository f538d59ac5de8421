"""What docs/benchmarks.md says around the figures of bench/report.py."""

HEAD = """# Benchmarks

    make bench

runs paraclip beside its peers, checks that all of them compute the same, and writes this page and `build/bench/summary.json`. Nothing else
should run meanwhile. Some parts, or the page alone from the results of the last run:

    .deps/references/bin/python bench/run.py --only train,query
    .deps/references/bin/python bench/run.py --report

Every contestant is a process that is loaded once. They take turns, A B C, A B C, with the same texts and threads, each round beginning with
another one, and what is compared are the ratios within a round. Models have random weights, the same for all: open_clip's `ViT-B-32` and
`ViT-L-14`. Texts are captions of Conceptual Captions' validation set.

"""

KINDS = {"libtorch": "libtorch", "onednn": "libtorch's oneDNN", "own": "paraclip's"}

TRAINING = """One optimizer step of {batch} triples of three captions: forward and backward pass of ParaCLIP's three losses, gradient clipping, AdamW. The
images' embeddings are fixed, so no image tower runs.

- **open_clip**: its text tower as it trains it, padded to 77 positions; bf16 is its `amp_bf16`. Eager, and by `torch.compile`.
- **transformers**: `CLIPTextModelWithProjection`, padded to 77 positions; bf16 is the same autocast.
- **trimmed**: CLIP's text tower written anew in PyTorch (`bench/peer_trimmed.py`) as fast as we could make it: no padding at all, texts sorted by
  length and attention computed for all texts of one length together, the last layer for the pooled tokens alone; in bf16 bfloat16
  copies of the weights with float32 masters, in fp32 oneDNN's matrix products, which PyTorch does not use by default. Nobody
  trains with this; it is the strongest peer.
- **paraclip**: `Trainer::step`, which `paraclip train` takes.

All peers use PyTorch's fused AdamW. The padded ones would need about 20 GB for a batch: they take it in micro-batches with the loss inside
each, which spares them the second forward pass that a loss over the whole batch would cost. Only part of a batch's triples is measured of
them (the column "triples measured"), and the time of the step follows from it; their time does not depend on the texts. Each
contestant but the compiled ones chose the fastest of several sizes of micro-batch (of trimmed's, which has one loss, of the chunks that
it computes). Before the first round, everybody's loss of the first 32 triples and embeddings of 32 captions are compared with open_clip's in
float32: the run ends if one differs by more than 1e-5, or 2e-2 in bf16. Memory is the peak of the process during the rounds, model and
optimizer included. Those of one precision take their turns together.

"Needed" operations are those of the linear layers for every token up to the end token, forward and two gradients, two operations for
an element of a weight; in the last layer, keys and values for all tokens and the rest for the pooled one. The step's GFLOP/s are
these over the whole step's time, optimizer included. Beside it stand the blocks' matrix products alone, of the same shapes with as many rows as the step
has tokens, in the same rounds: four layers, forward and both gradients."""

QUERY = """From a text of ten words ("{query}") to its unit embedding, tokenization included, {model}, one at a time, {calls} calls of each contestant in
turns of ten. ONNX Runtime runs open_clip's text tower as `torch.onnx.export` writes it; it, open_clip and transformers compute all 77
positions."""

LARGE = """One step of a large batch in a fresh process (ViT-B/32, bf16), between steps of a small one in another. The loss is over the whole batch."""

LOSS = """The three losses alone on {batch} triples of {width} dimensions, with the gradients of all texts' embeddings and of the logit scale: {seconds:.1f} s,
and {gb:.2f} GB of memory beyond the embeddings, of which the gradients are a part."""

PROCESSES = """`paraclip train` with all threads in one process, and by `mpirun` with a process for each and one thread in it; ViT-B/32, bf16, {steps} steps of {batch}
triples, medians of the rates in its own log. The losses of the steps differ by at most {loss_difference:.0e}, relatively."""

KERNELS = """Medians of Google Benchmark's repetitions (least to greatest) by `bench/kernels.cc`, beside libtorch's own operators on the same numbers."""

EMBED = """`paraclip embed` beside open_clip, from JPEG files to embeddings on the disk: {images} photos of 500x375, ViT-B/32, batches of {batch_size},
{rounds} rounds (`bench/embed_images.py`)."""

LOAD = """By `bench/load_model.py`:"""

SUMMARY = """## Summary

`build/bench/summary.json` holds these and the figures above under flat keys. `_vs_` is how many times as fast; `peak_share` the step's share of
the rate of the products alone as libtorch computes them, `onednn_peak_share` and `own_peak_share` as oneDNN and paraclip do; `_l14` is ViT-L/14."""
