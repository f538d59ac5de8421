# libtorch from the torch wheel, CPU part. The wheel's own TorchConfig demands a CUDA toolkit; this does not.
#
# Target: Torch::Torch. Set PARACLIP_TORCH_ROOT to use a libtorch of your own.
if(PARACLIP_TORCH_ROOT)
  set(torch_root "${PARACLIP_TORCH_ROOT}")
else()
  set(torch_root "${PARACLIP_DEPS_DIR}/python/torch")
endif()

find_path(Torch_INCLUDE_DIR ATen/ATen.h PATHS "${torch_root}/include" NO_DEFAULT_PATH)
find_library(Torch_CPU_LIBRARY torch_cpu PATHS "${torch_root}/lib" NO_DEFAULT_PATH)
find_library(Torch_C10_LIBRARY c10 PATHS "${torch_root}/lib" NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Torch REQUIRED_VARS Torch_CPU_LIBRARY Torch_C10_LIBRARY Torch_INCLUDE_DIR)
mark_as_advanced(Torch_INCLUDE_DIR Torch_CPU_LIBRARY Torch_C10_LIBRARY)

if(Torch_FOUND AND NOT TARGET Torch::Torch)
  add_library(Torch::Torch INTERFACE IMPORTED)
  # After the system's folders: the wheel carries an fmt of its own, which must not hide Debian's.
  target_compile_options(Torch::Torch INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${Torch_INCLUDE_DIR}>"
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${Torch_INCLUDE_DIR}/torch/csrc/api/include>")
  target_link_libraries(Torch::Torch INTERFACE "${Torch_CPU_LIBRARY}" "${Torch_C10_LIBRARY}")
  # at::parallel_for is a template: it runs on libtorch's threads only where its callers are compiled for OpenMP, with
  # the runtime that libtorch has, GCC's. The wheel brings its own.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(Torch::Torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
    if(EXISTS "${torch_root}/lib/libgomp.so.1")
      target_link_libraries(Torch::Torch INTERFACE "${torch_root}/lib/libgomp.so.1")
    else()
      target_link_libraries(Torch::Torch INTERFACE gomp)
    endif()
  endif()
  # libtorch_cpu finds the CUDA runtime and CUPTI by its own RPATH; the linker need not.
  target_link_options(Torch::Torch INTERFACE -Wl,--allow-shlib-undefined)
endif()
