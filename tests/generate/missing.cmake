# Run with CMAKE_IGNORE_PATH set so that nothing is found: must stop with the line for apt.
include("${OURS}/cmake/NetprotoGenerate.cmake")
netproto_find_tool(tool ragel "Generating code from room.np takes Ragel")
