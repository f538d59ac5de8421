# One library a folder, in a chain: a folder sees its own headers and those of the folders below it, and no others.
#
# Headers are included from the root ("paraclip/io/npy.h"). Each folder's headers are reached through a link of its
# own in the build tree, so that an include from a folder above does not compile.
set(PARACLIP_LOWER_LAYER "" CACHE INTERNAL "The layer that the next one links")

function(paraclip_layer name)
  cmake_parse_arguments(arg "TORCH" "" "SOURCES;LINKS" ${ARGN})
  set(target paraclip_${name})
  add_library(${target} STATIC ${arg_SOURCES})
  set(view "${PROJECT_BINARY_DIR}/include/${name}")
  file(MAKE_DIRECTORY "${view}/paraclip")
  file(CREATE_LINK "${CMAKE_CURRENT_SOURCE_DIR}" "${view}/paraclip/${name}" SYMBOLIC)
  target_include_directories(${target} PUBLIC "${view}")
  target_link_libraries(${target} PUBLIC ${PARACLIP_LOWER_LAYER} ${arg_LINKS} PRIVATE paraclip_options)
  if(arg_TORCH)
    target_precompile_headers(${target} REUSE_FROM paraclip_torch_pch)
  endif()
  set(PARACLIP_LOWER_LAYER ${target} CACHE INTERNAL "The layer that the next one links")
endfunction()

# The one precompiled header of the project: libtorch's tensors and autograd.
file(WRITE "${PROJECT_BINARY_DIR}/torch_pch.cc.in" "// Carries the precompiled header.\n")
configure_file("${PROJECT_BINARY_DIR}/torch_pch.cc.in" "${PROJECT_BINARY_DIR}/torch_pch.cc" COPYONLY)
add_library(paraclip_torch_pch OBJECT "${PROJECT_BINARY_DIR}/torch_pch.cc")
target_link_libraries(paraclip_torch_pch PRIVATE paraclip_options Torch::Torch)
target_precompile_headers(paraclip_torch_pch PRIVATE
  <ATen/ATen.h> <torch/csrc/autograd/custom_function.h> <torch/csrc/autograd/autograd.h>)
