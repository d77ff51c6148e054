"""Export: the graph, its quantization, the gate, the bundle; `runtime` is the torch-free part."""
