# Compile options of every target of the project, as one INTERFACE target: no global flags.
add_library(paraclip_options INTERFACE)
target_compile_features(paraclip_options INTERFACE cxx_std_20)
# GCC 12 reports overflows inside fmt's and libstdc++'s own buffers that cannot happen: the two kinds are left out.
target_compile_options(paraclip_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual>
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-stringop-overflow -Wno-array-bounds>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${PARACLIP_WERROR}>>:-Werror>)
if(PARACLIP_SANITIZE)
  list(JOIN PARACLIP_SANITIZE "," sanitizers)
  target_compile_options(paraclip_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${sanitizers} -fno-omit-frame-pointer>)
  target_link_options(paraclip_options INTERFACE -fsanitize=${sanitizers})
endif()

# Two cores and libtorch headers: a compiler cache pays at once where one is installed.
find_program(PARACLIP_CCACHE ccache)
if(PARACLIP_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${PARACLIP_CCACHE})
endif()
