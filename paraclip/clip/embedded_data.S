// The data files that are part of the binary; CMake gives their paths.

  .section .rodata

  .global paraclip_bpe_merges_begin
  .global paraclip_bpe_merges_end
paraclip_bpe_merges_begin:
  .incbin PARACLIP_BPE_MERGES
paraclip_bpe_merges_end:
  .byte 0

  .global paraclip_html_entities_begin
  .global paraclip_html_entities_end
paraclip_html_entities_begin:
  .incbin PARACLIP_HTML_ENTITIES
paraclip_html_entities_end:
  .byte 0

  .section .note.GNU-stack,"",%progbits
